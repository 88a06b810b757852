#!/bin/sh
# Makes assets/ anew from the npm packages named here: the UMD builds, minified, the
# fonts taken out of the style sheet, packed by gzip as they are served. Run by hand
# when a version changes, in this folder; the result is committed.
set -eu
graphiql=3.8.3 react=18.3.1 esbuild=0.25.0
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund "graphiql@$graphiql" "react@$react" "react-dom@$react" "esbuild@$esbuild"
mkdir -p out
minify() { npx esbuild --minify --legal-comments=none --log-level=error "$1" --outfile="out/$2"; }
minify node_modules/graphiql/graphiql.min.js graphiql.js
minify node_modules/graphiql/graphiql.min.css graphiql.css
cp node_modules/react/umd/react.production.min.js out/react.js
cp node_modules/react-dom/umd/react-dom.production.min.js out/react-dom.js
node -e '
const fs = require("fs"), f = "out/graphiql.css"
fs.writeFileSync(f, fs.readFileSync(f, "utf8").replace(/@font-face\{[^}]*\}/g, ""))'
for f in out/*; do gzip -9 -n -c "$f" > "$here/assets/$(basename "$f").gz"; done
cat node_modules/graphiql/LICENSE > "$here/assets/LICENSE.graphiql"
cat node_modules/react/LICENSE > "$here/assets/LICENSE.react"
