; writes to the serial line, once: the hours and minutes of the hardware clock and the name of the hypervisor
%include "common.inc"
await_clock:
  mov al, 0x0a
  call read_clock
  test al, 0x80
  jnz await_clock
  mov al, 4
  call read_clock
  call write_digits
  mov al, 2
  call read_clock
  call write_digits
  mov al, ' '
  call write
; CPUID 40000000h: twelve characters in ebx, ecx, edx
  mov eax, 0x40000000
  cpuid
  push edx
  push ecx
  push ebx
  mov si, sp
  mov bp, 12
next:
  mov al, [si]
  inc si
  call write
  dec bp
  jnz next
  mov al, 10
  call write
rest:
  cli
  hlt
  jmp rest

; the register of the clock that al names, in al
read_clock:
  out 0x70, al
  in al, 0x71
  ret

; two decimal digits, four bits each
write_digits:
  mov bl, al
  shr al, 4
  add al, '0'
  call write
  mov al, bl
  and al, 0x0f
  add al, '0'

write:
  mov ah, al
  mov dx, 0x3fd
wait_empty:
  in al, dx
  test al, 0x20
  jz wait_empty
  mov al, ah
  mov dx, 0x3f8
  out dx, al
  ret
