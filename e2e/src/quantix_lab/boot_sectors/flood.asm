; writes to the serial line as fast as it takes it, control characters besides
%include "common.inc"
  mov bl, 0
next:
  mov dx, 0x3fd
wait_empty:
  in al, dx
  test al, 0x20
  jz wait_empty
  mov al, bl
  mov dx, 0x3f8
  out dx, al
  inc bl
  jmp next
