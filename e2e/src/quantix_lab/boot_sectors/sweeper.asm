; adds one to each page from 16 MiB to END again and again: memory changes faster than it can be sent; says '.'
; after each round, and 'E' for ever once a page is not what it was
%include "common.inc"
%include "flat.inc"
  mov ss, ax
  mov es, ax
  cld
  mov edi, 0x1000000
  mov ecx, (END - 0x1000000) / 4
  xor eax, eax
  rep stosd
  xor ebx, ebx
  mov dx, 0x3f8
round:
  mov edi, 0x1000000
next:
  cmp [edi], ebx
  jne wrong
  inc dword [edi]
  add edi, 0x1000
  cmp edi, END
  jb next
  inc ebx
  test ebx, 0x3f
  jnz round
  mov al, '.'
  out dx, al
  jmp round
wrong:
  mov al, 'E'
  out dx, al
  jmp wrong
