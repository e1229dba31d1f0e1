"""QEMU's command line. Everything it works on comes as an open descriptor; the same words make template and copy, but
for the kernel, which is in memory once it has booted."""

from typing import Literal

from kelpie.sandbox import limits

Accelerator = Literal["kvm", "tcg"]
PROGRAM = "qemu-system-x86_64"
SHARES = ("/usr/share/qemu", "/usr/share/seabios")
# An emulated guest counts for minutes how fast its processor is, unless it is told.
_TCG_CLOCK = "tsc_early_khz={khz} lpj={lpj} tsc=reliable no_timer_check"
# An emulated processor translates what it runs, at every machine's first use of it: wide registers, and gates between
# kernel and user memory that guard nothing outside this guest, make for more of that.
_TCG_CPU = "max,la57=off,smap=off,smep=off,pku=off,xsave=off,avx=off,avx2=off,erms=off,fsrm=off"
# The rest spares instructions: what the kernel does against attacks from inside this guest guards nothing here.
_APPEND = (
    "console=ttyS0 quiet reboot=t panic=-1 mitigations=off lsm=landlock audit=0 init_on_alloc=0 nowatchdog"
    " randomize_kstack_offset=off hardened_usercopy=off transparent_hugepage=never psi=0"
)


def words(
    accelerator: Accelerator, *, ram_fd: int, channel_fd: int, qmp_fd: int, kernel_fds: tuple[int, int] | None, khz: int
) -> list[str]:
    """The arguments after the program's name.

    ram_fd      the file that is the guest's memory
    kernel_fds  kernel and initial file system, of a machine that boots; None for one that takes a template's state
    khz         how fast the processor counts, for an emulated guest
    """
    boots = kernel_fds is not None
    size = limits.MICROVM_MEMORY_BYTES >> 20
    given = [
        *("-M", "microvm,x-option-roms=off,isa-serial=on,pit=on,rtc=on,acpi=on,memory-backend=ram"),
        *("-accel", "kvm" if accelerator == "kvm" else f"tcg,thread=single,tb-size={limits.MICROVM_TCG_CODE_MB}"),
        *("-cpu", "host" if accelerator == "kvm" else _TCG_CPU),
        *("-m", str(size), "-smp", "1"),
        # Copies map the template's memory privately: what a guest writes is its own.
        *(
            "-object",
            f"memory-backend-file,id=ram,size={size}M,mem-path=/proc/self/fd/{ram_fd},share={'on' if boots else 'off'}",
        ),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-chardev", f"socket,id=qmp,fd={qmp_fd}", "-mon", "chardev=qmp,mode=control"),
        *("-chardev", f"socket,id=agent,fd={channel_fd}"),
        *("-device", "virtio-serial-device,max_ports=2", "-device", "virtserialport,chardev=agent,nr=1"),
        *("-chardev", "file,id=console,path=/proc/self/fd/2,append=on" if boots else "null,id=console"),
        *("-serial", "chardev:console"),
    ]
    if kernel_fds is None:
        return [*given, "-incoming", "defer"]
    append = _APPEND if accelerator == "kvm" else f"{_APPEND} {_TCG_CLOCK.format(khz=khz, lpj=khz * 2)}"
    kernel, system = (f"/proc/self/fd/{fd}" for fd in kernel_fds)
    return [*given, "-kernel", kernel, "-initrd", system, "-append", append]
