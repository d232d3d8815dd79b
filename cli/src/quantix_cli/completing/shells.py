"""What bash, zsh and fish are told so that Tab asks `qx completion SHELL -- WORD…`. Data only."""

from __future__ import annotations

_BASH = """\
# Tab for qx. In this shell:  source <(qx completion bash)
# In every one: put that line into ~/.bashrc
_qx() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <(qx completion bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if [[ ${COMPREPLY[0]} == :files ]]; then
        COMPREPLY=()
        compopt -o default
    elif [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace
    fi
}
complete -F _qx qx
"""
_ZSH = """\
#compdef qx
# Tab for qx. In this shell:  source <(qx completion zsh)
# In every one: put that line into ~/.zshrc, after compinit
_qx() {
    local word
    local -a found
    while IFS= read -r word; do
        found+=("$word")
    done < <(qx completion zsh -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    if [[ ${found[1]} == :files ]]; then
        _files
    else
        compadd -a found
    fi
}
compdef _qx qx
"""
_FISH = """\
# Tab for qx. In this shell:  qx completion fish | source
# In every one: qx completion fish > ~/.config/fish/completions/qx.fish
function __qx_words
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    set -l found (qx completion fish -- $typed[2..-1] "$current" 2>/dev/null)
    if test "$found[1]" = ":files"
        __fish_complete_path "$current"
    else
        printf '%s\\n' $found
    end
end
complete --no-files --arguments '(__qx_words)' --command qx
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
