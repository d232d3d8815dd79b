; wakes four times a second, by the interrupt of the real-time clock alone, and rests in between
%include "common.inc"
  cli
  mov word [0x70 * 4], tick
  mov word [0x70 * 4 + 2], 0
  mov al, 0xfb
  out 0x21, al
  mov al, 0xfe
  out 0xa1, al
  mov al, 0x0a
  out 0x70, al
  mov al, 0x2e
  out 0x71, al
  mov al, 0x0b
  out 0x70, al
  in al, 0x71
  or al, 0x40
  out 0x71, al
  sti
rest:
  hlt
  jmp rest
tick:
  mov al, 0x0c
  out 0x70, al
  in al, 0x71
  mov al, 0x20
  out 0xa0, al
  out 0x20, al
  iret
