; arms the i6300esb watchdog at 0:1e.0 and never feeds it: no kernel of the test images has a driver for it
; Intel 6300ESB I/O Controller Hub (registers); QEMU 7.2, hw/watchdog/wdt_i6300esb.c
%include "common.inc"
  cli
  ; the device's registers lie above 1 MiB: let ds reach all memory from real mode
  lgdt [descriptor]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  mov bx, 8
  mov ds, bx
  and al, 0xfe
  mov cr0, eax
  ; give it its memory
  mov dx, 0xcf8
  mov eax, 0x8000f004
  out dx, eax
  mov dl, 0xfc
  in ax, dx
  or ax, 2
  out dx, ax
  mov dl, 0xf8
  mov eax, 0x8000f010
  out dx, eax
  mov dl, 0xfc
  in eax, dx
  and eax, 0xfffffff0
  mov ebx, eax
  ; both timers: 1 is some 1 ms
  call unlock
  mov dword [ebx], 1
  call unlock
  mov dword [ebx + 4], 1
  ; enable it
  mov dx, 0xcf8
  mov eax, 0x8000f068
  out dx, eax
  mov dl, 0xfc
  mov al, 2
  out dx, al
halt:
  hlt
  jmp halt
unlock:
  mov word [ebx + 12], 0x80
  mov word [ebx + 12], 0x86
  ret
align 4
segments:
  dq 0
  dq 0x00cf92000000ffff
descriptor:
  dw 15
  dd segments
