# Completion of sluice in bash: source <(sluice completion bash)

_sluice() {
    local -a words=()
    local i word joined= last=-1
    # bash takes --flag=value for three words.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == "=" && $last -ge 0 && ${words[last]} == --* ]]; then
            words[last]+="="
            joined=1
            continue
        fi
        if [[ -n $joined ]]; then
            words[last]+=$word
            joined=
        else
            words[++last]=$word
        fi
    done
    local current=${COMP_WORDS[COMP_CWORD]}
    if [[ $current == "=" ]]; then
        current=
    fi

    # One candidate in a line, with a description behind a tab; the last one is what to do.
    local out directive candidate
    COMPREPLY=()
    out=$("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
    if [[ -z $out ]]; then
        return
    fi
    directive=${out##*:}
    out=${out%:*}
    local -a candidates=()
    while IFS= read -r candidate; do
        candidate=${candidate%%$'\t'*}
        if [[ -n $candidate ]]; then
            candidates+=("$candidate")
        fi
    done <<<"$out"

    local name ending
    if ((directive & 8)); then # files of these endings, and folders
        compopt -o filenames 2>/dev/null
        while IFS= read -r name; do
            for ending in "${candidates[@]}"; do
                if [[ -d $name || $name == *."$ending" ]]; then
                    COMPREPLY+=("$name")
                    break
                fi
            done
        done < <(compgen -f -- "$current")
    elif ((directive & 16)); then # folders
        compopt -o filenames 2>/dev/null
        while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen -d -- "$current")
    else
        for candidate in "${candidates[@]}"; do
            if [[ $candidate == "$current"* ]]; then
                COMPREPLY+=("$(printf '%q' "$candidate")")
            fi
        done
        if ((directive & 2)); then
            compopt -o nospace 2>/dev/null
        fi
        if ((${#candidates[@]} == 0 && !(directive & 4))); then # any file
            compopt -o filenames 2>/dev/null
            while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen -f -- "$current")
        fi
    fi
}

complete -F _sluice sluice
