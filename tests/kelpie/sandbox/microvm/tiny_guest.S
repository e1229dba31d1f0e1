# A guest of a hundred bytes for Firecracker where no Linux starts. tiny_guest.py holds these bytes; they were made by
#     as --64 tiny_guest.S -o tiny_guest.o && objcopy -O binary -j .text tiny_guest.o tiny_guest.bin
#
# On the first serial port it prints "READY", and for each line it is sent "ok" and a digit that counts the lines, which
# lies in its memory. Two bytes mean something else: 'q' resets the machine, 'x' has it fail in a way no machine survives.
.code64
.text
    lea ready(%rip), %rsi
    call print
next:
    mov $0x3fd, %dx             # line status: has a byte come?
    in %dx, %al
    test $1, %al
    jz next
    mov $0x3f8, %dx
    in %dx, %al
    cmp $'q', %al
    je reset
    cmp $'x', %al
    je fail
    cmp $'\n', %al
    jne next
    lea ok(%rip), %rsi
    call print
    incb count(%rip)
    jmp next
reset:
    mov $0xfe, %al              # by the keyboard controller, as old as the PC
    out %al, $0x64
    hlt
fail:
    lidt none(%rip)             # an exception without anybody to handle it, three times over
    ud2
print:
    mov $0x3f8, %dx
    lodsb
    test %al, %al
    jz done
    out %al, %dx
    jmp print
done:
    ret
ready: .asciz "READY\n"
ok: .ascii "ok"
count: .ascii "1"
    .asciz "\n"
none: .fill 10, 1, 0
