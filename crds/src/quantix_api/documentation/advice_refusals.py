"""What to do where the API or qx refuses something, or does not answer. Data only."""

from __future__ import annotations

from quantix_api.documentation.advice_entry import Advice

REFUSAL_ADVICE: dict[str, Advice] = {
    "InUse": Advice(
        "The message names the users, or how many there are in other namespaces.",
        "Delete the users first, or take the object out of them. An object that is being deleted goes with "
        "its last user.",
    ),
    "Protected": Advice(
        "`spec.deletionProtection` of the object.",
        "Set it to false, then delete: `qx vm set NAME --no-protect`, the same for images and volumes. "
        "As a reason of the condition Protected it is good news.",
    ),
    "NamespaceDeleting": Advice(
        "`kubectl describe namespace NAMESPACE` says what it still holds.",
        "Nothing calls the deletion of a namespace back, and nothing is made in it any more. What is "
        "protected stays, and serves as before, until `--no-protect`: then it goes for good, a VM with its "
        "disks. Secrets went at once, passphrases too: an encrypted disk needs its own again at the next "
        "start. Make what you need in another namespace.",
    ),
    "GoesWithNamespace": Advice(
        "`qx status` names what the namespace waits for.",
        "Nothing calls the deletion of a namespace back. What is not protected may run on in it while "
        "something else is, and goes, a VM with its disks, as soon as that does, or before. Copy elsewhere "
        "what is to be kept; `--protect` makes it stay until that is done.",
    ),
    "QuotaExceeded": Advice(
        "`kubectl describe quota -n NAMESPACE`.",
        "Delete what nobody needs, or ask whoever made the quota. [Teams](teams.md).",
    ),
    "OnlyGrows": Advice(
        "`qx volume show NAME`.", "Ask for the size that it has, or more. Less is a new disk and a copy."
    ),
    "SubnetInUse": Advice("`qx network explain NETWORK`.", "Make another network and move the NICs there."),
    "SizeFollowsDisk": Advice(
        "`spec.disks` of the VM.", "`qx volume resize VM-DISK SIZE` changes it there for you."
    ),
    "PlatformNamespace": Advice(
        "What you meant to delete.", "Delete single objects. `make clean` removes Quantix."
    ),
    "CleanupPending": Advice(
        "`kubectl describe` says what it waits for.",
        "Wait. Taking the finalizer off by hand would leave guests and data that nobody knows of.",
    ),
    "NotHere": Advice("`qx vm list`.", "Ask again: it has moved or ended meanwhile."),
    "NoOrphan": Advice(
        "`qx host end-orphan` lists such guests.", "A guest of a VM in the API ends with its VM."
    ),
    "ScreenTooLarge": Advice("The resolution in the guest.", "`qx vm view NAME` shows it."),
    "NoScreen": Advice(
        "`qx vm show NAME`: whether `console.video` is None, or was when the guest started.",
        "`qx vm console NAME`. For a screen set `console.video` and restart the VM.",
    ),
    "ScreenHangs": Advice(
        "`qx vm console NAME`: whether the guest does anything.",
        "Ask again. If it stays so, the guest's QEMU hangs, for example on a disk: `qx vm stop NAME --now`.",
    ),
    "NotWaiting": Advice("`qx image show NAME`.", "An image never changes: give the file another name."),
    "TooManyUploads": Advice(
        "`qx image list`, `qx volume list`: what is being sent.",
        "Send it again once one of them has arrived: a namespace sends four files to a host at once, and "
        "fewer while many others send.",
    ),
    "TooManyReaders": Advice(
        "`qx host list`: which hosts could have been asked instead.",
        "Ask again once one of the images has arrived. Hosts that copy an image from each other do so by "
        "themselves, or ask another host.",
    ),
    "NameTaken": Advice("`qx vm list`.", "Choose another name, or change what is there."),
    "NotAllowed": Advice(
        "`kubectl auth whoami`, `kubectl auth can-i --list -n NAMESPACE`.",
        "Ask for the role. [Teams](teams.md#who-may-do-what).",
    ),
    "APIUnreachable": Advice(
        "`qx doctor` on the machine of the control plane; it works while the API is away.",
        "Guests run on without the API. `make up` starts what does not run; `QUANTIX_KUBECONFIG` may lead "
        "elsewhere.",
    ),
}
