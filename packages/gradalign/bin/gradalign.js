#!/usr/bin/env node
// npm links this file when it installs, which may be before the first build.
import "../dist/main.js";
