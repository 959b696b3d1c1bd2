# Old layout first, new one second: nothing may have changed but growth at the end of structs
# that may grow, and new structs and values.
function fail(text) {
    print "layout: " text
    bad = 1
}
FNR == 1 {
    file++
}
/^(fixed|grows|value) / {
    block = $2
    n = 0
    if (file == 1) {
        kind[block] = $1
        size[block] = $3
    } else {
        seen[block] = 1
        if (!(block in kind))
            next
        if (kind[block] != $1 || (kind[block] == "grows" ? $3 + 0 < size[block] + 0 : $3 != size[block]))
            fail(block ": was " kind[block] " " size[block] ", is " $1 " " $3)
    }
    next
}
{
    n++
    if (file == 1) {
        member[block, n] = $0
        count[block] = n
    } else if (block in kind) {
        if (n <= count[block] && member[block, n] != $0)
            fail(block ": was" member[block, n] ", is" $0)
        if (n > count[block] && kind[block] == "fixed")
            fail(block ": a struct of fixed size has a new member" $0)
        have[block] = n
    }
}
END {
    for (b in kind) {
        if (!(b in seen))
            fail(b " is gone")
        if (have[b] + 0 < count[b] + 0)
            fail(b " has lost members")
    }
    exit bad
}
