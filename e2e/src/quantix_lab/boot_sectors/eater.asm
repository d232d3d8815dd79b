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
%include "flat.inc"
  mov edi, 0x100000
next:
  mov [edi], edi
  add edi, 0x1000
  cmp edi, 0x7000000
  jb next
halt:
  hlt
  jmp halt
