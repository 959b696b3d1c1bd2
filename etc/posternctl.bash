# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Completion of posternctl for bash: commands, options, and names asked of the running daemon.

# Values of a member in a reply, one per line.
_posternctl_ask()
{
    posternctl --json --timeout 2 "${socket[@]}" "$1" 2>/dev/null |
        sed -n 's/^{.*"'"$2"'":"\{0,1\}\([^",}]*\).*/\1/p' | sort -u || :
}

_posternctl()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' words='' i
    local commands='status connections kill edges upstreams modules plan events metrics log-level
        reload reopen upgrade drain stop'
    local socket=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s | --socket) socket=(--socket "${COMP_WORDS[i + 1]}") ;;
        esac
        case ${COMP_WORDS[i - 1]} in
        -s | --socket | -e | --edge | -n | --sni | -C | --client | -t | --timeout) continue ;;
        esac
        case ${COMP_WORDS[i]} in
        -*) ;;
        *) command=${command:-${COMP_WORDS[i]}} ;;
        esac
    done
    case $prev in
    -s | --socket)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    -e | --edge) words=$(_posternctl_ask edges edge) ;;
    -n | --sni) words=$(_posternctl_ask connections sni) ;;
    -C | --client | -t | --timeout) return ;;
    *)
        case $command in
        '') words=$commands ;;
        kill) words=$(_posternctl_ask connections id) ;;
        log-level) words='error warning notice info debug' ;;
        esac
        case $cur in
        -*)
            words='--json --socket --timeout --help --version'
            case $command in
            '' | edges | upstreams | connections | kill) words="$words --edge" ;;
            esac
            case $command in
            '' | connections | kill) words="$words --sni --client" ;;
            esac
            ;;
        esac
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _posternctl posternctl
