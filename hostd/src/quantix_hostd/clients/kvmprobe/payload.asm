; The guest of the KVM probe (see __init__.py): real mode -> protected mode -> long mode, a loop,
; then 0x20 to QEMU's isa-debug-exit at port 0xf4, which makes QEMU end with (0x20 << 1) | 1 = 65.
; Loaded at 0xf0000 (and its alias below 4 GiB); __init__.py adds the reset vector and fills up to 64 KiB.
; Assemble: nasm -f bin -o payload.bin payload.asm (a test compares).

BASE    equ 0xf0000
PML4    equ 0x2000              ; three pages of RAM for the page tables
PDPT    equ 0x3000
PD      equ 0x4000

bits 16
org 0
        cli
        mov ax, 0xf000
        mov ds, ax
        o32 lgdt [gdt_pointer]
        mov eax, cr0
        or al, 1                ; CR0.PE
        mov cr0, eax
        jmp dword 0x08:(BASE + protected)

bits 32
protected:
        mov ax, 0x10
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esp, 0x7000
        cld
        mov edi, PML4           ; identity map of the first GiB in 2 MiB pages
        xor eax, eax
        mov ecx, 0x3000 / 4
        rep stosd
        mov dword [PML4], PDPT | 3
        mov dword [PDPT], PD | 3
        mov edi, PD
        mov eax, 0x83           ; present, writable, large
        mov ecx, 512
.page:  mov [edi], eax
        add eax, 0x200000
        add edi, 8
        loop .page
        mov eax, PML4
        mov cr3, eax
        mov eax, cr4
        or eax, 0x20            ; CR4.PAE
        mov cr4, eax
        mov ecx, 0xc0000080     ; EFER
        rdmsr
        or eax, 0x100           ; LME
        wrmsr
        mov eax, cr0
        or eax, 0x80000000      ; CR0.PG
        mov cr0, eax
        jmp 0x18:(BASE + long_mode)

bits 64
long_mode:
        mov ecx, 1000000        ; long enough to be interrupted and resumed by the hypervisor
.spin:  dec ecx
        jnz .spin
        mov dx, 0xf4
        mov al, 0x20
        out dx, al
.halt:  hlt
        jmp .halt

align 8
gdt:    dq 0
        dq 0x00cf9a000000ffff   ; 0x08: code, 32 bit
        dq 0x00cf92000000ffff   ; 0x10: data
        dq 0x00af9a000000ffff   ; 0x18: code, 64 bit
gdt_pointer:
        dw $ - gdt - 1
        dd BASE + gdt
