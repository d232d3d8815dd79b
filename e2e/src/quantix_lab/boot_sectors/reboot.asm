; says 'R' and resets the machine through the keyboard controller
%include "common.inc"
  mov al, 'R'
  mov dx, 0x3f8
  out dx, al
  mov al, 0xfe
  out 0x64, al
halt:
  hlt
  jmp halt
