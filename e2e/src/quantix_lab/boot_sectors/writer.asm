; fills the boot disk with 0xa5, 64 sectors at a time, from sector 64 up to END: '.' on the serial line for each,
; 'D' when done, 'E' for a write that the disk refused
%include "common.inc"
  mov ax, 0x2000
  mov es, ax
  xor di, di
  mov cx, 0x8000
  mov al, 0xa5
  rep stosb
next:
  mov si, packet
  mov ax, 0x4300
  int 0x13
  mov al, 'E'
  jc say_last
  mov al, '.'
  call say
  add dword [packet + 8], 64
  cmp dword [packet + 8], END
  jb next
  mov al, 'D'
say_last:
  call say
halt:
  hlt
  jmp halt
say:
  push dx
  push ax
  mov dx, 0x3fd
wait_empty:
  in al, dx
  test al, 0x20
  jz wait_empty
  pop ax
  mov dx, 0x3f8
  out dx, al
  pop dx
  ret
packet:
  db 16, 0
  dw 64
  dw 0, 0x2000
  dq 64
