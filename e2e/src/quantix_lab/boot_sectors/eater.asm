; says 'W', waits for a key, then touches all memory from 1 to 112 MiB
%include "common.inc"
  mov al, 'W'
  mov dx, 0x3f8
  out dx, al
  mov dx, 0x3fd
wait_key:
  in al, dx
  test al, 1
  jz wait_key
  cli
  in al, 0x92
  or al, 2
  out 0x92, al
  lgdt [descriptor]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp 8:flat
bits 32
flat:
  mov ax, 16
  mov ds, ax
  mov edi, 0x100000
next:
  mov [edi], edi
  add edi, 0x1000
  cmp edi, 0x7000000
  jb next
halt:
  hlt
  jmp halt
align 4
segments:
  dq 0
  dq 0x00cf9a000000ffff
  dq 0x00cf92000000ffff
descriptor:
  dw 23
  dd segments
