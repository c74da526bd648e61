# From the text of `etcd --help` to scdoc: STYLE=flag for etcd(1), STYLE=variable for etcd.conf(5).
# SPDX-License-Identifier: Apache-2.0
function plain(s) {
    gsub(/[\\*_#<>|~]/, "\\\\&", s)
    gsub(/\[/, "\\[", s)
    gsub(/\]/, "\\]", s)
    return s
}
function sentence() {
    if (text != "")
        print "\t" text (text ~ /[.!?)]$/ ? "" : ".") (def != "" ? " Default: " plain(def) "." : "") "\n"
    text = ""
    def = ""
}
function variable(flag) {
    sub(/^--/, "", flag)
    gsub(/-/, "_", flag)
    return "ETCD_" toupper(flag)
}
/^$/ { next }
/^[A-Z].*:$/ {
    sentence()
    sub(/:$/, "")
    old = /older versions/
    program = /^Program/
    print "## " plain($0) "\n"
    next
}
/^[A-Z]/ {
    sentence()
    print plain($0) "\n"
    next
}
/^  -/ {
    sentence()
    skip = STYLE == "variable" && program && !match($0, /'.*'/)
    if (skip)
        next
    name = $1
    def = $0
    def = match($0, /'.*'/) ? substr($0, RSTART + 1, RLENGTH - 2) : ""
    if (STYLE == "variable")
        print "*" plain(variable(name)) "*"
    else if (match($0, /'.*'/))
        print "*" plain(name) "*"
    else {
        sub(/^  /, "")
        print "*" plain($0) "*"
    }
    next
}
/^    / {
    if (skip)
        next
    sub(/^ +/, "")
    if (old && /^--/)
        $0 = "The older name of " (STYLE == "variable" ? plain(variable($1)) : plain($1)) "."
    else
        $0 = plain($0)
    text = text == "" ? $0 : text (text ~ /[:)]$/ ? (text ~ /:$/ ? " " : ", ") : " ") $0
}
END { sentence() }
