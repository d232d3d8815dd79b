; counts in two pages in turn as fast as it can: memory that is written again before it is sent. Says '.' now and
; then, and 'E' once they differ
%include "common.inc"
  mov ax, 0x2000
  mov ds, ax
  mov ax, 0x3000
  mov es, ax
  xor ebx, ebx
  mov [ds:0], ebx
  mov [es:0], ebx
  mov dx, 0x3f8
again:
  mov ebx, [ds:0]
  cmp ebx, [es:0]
  jne differ
  inc ebx
  mov [ds:0], ebx
  mov [es:0], ebx
  test ebx, 0x3fffff
  jnz again
  mov al, '.'
  out dx, al
  jmp again
differ:
  mov al, 'E'
  out dx, al
  hlt
  jmp differ
