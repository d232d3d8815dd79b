; says 'P' and tells QEMU of a panic, as a kernel does through pvpanic (docs/specs/pvpanic.rst)
%include "common.inc"
  mov al, 'P'
  mov dx, 0x3f8
  out dx, al
  mov al, 1
  mov dx, 0x505
  out dx, al
halt:
  hlt
  jmp halt
