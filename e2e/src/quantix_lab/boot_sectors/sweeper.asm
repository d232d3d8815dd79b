; adds one to each page from 16 MiB to END again and again: memory changes faster than it can be sent; says '.'
; after each round, and 'E' for ever once a page is not what it was
%include "common.inc"
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
align 4
segments:
  dq 0
  dq 0x00cf9a000000ffff
  dq 0x00cf92000000ffff
descriptor:
  dw 23
  dd segments
