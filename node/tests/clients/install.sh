# Read by scripts that run Python or npm clients: `install_python` and `install_npm` install what is pinned here into
# the folder $tools, once for each content of the pinned lists. A killed installation starts over.
pinned=$root/node/tests/clients

install_python() {
    stamp=$(cksum <"$pinned/requirements.txt" | tr ' ' -)
    [ -e "$tools/python-$stamp" ] && return 0
    rm -rf "$tools"/python-* "$tools/venv"
    mkdir -p "$tools"
    echo "clients: installing pinned Python packages into $tools"
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$pinned/requirements.txt"
    : >"$tools/python-$stamp"
}

install_npm() {
    stamp=$(cksum <"$pinned/package-lock.json" | tr ' ' -)
    [ -e "$tools/npm-$stamp" ] && return 0
    rm -rf "$tools"/npm-* "$tools/node_modules"
    mkdir -p "$tools"
    echo "clients: installing pinned npm packages into $tools"
    cp "$pinned/package.json" "$pinned/package-lock.json" "$pinned/.npmrc" "$tools/"
    # buf's launcher needs no installation script: its binary is an optional dependency of its own, for each platform.
    # `npm ci` would refuse the lock file wherever a registry lacks one of the other platforms' binaries.
    npm install --prefix "$tools" --ignore-scripts --no-audit --no-fund --loglevel error
    : >"$tools/npm-$stamp"
}
