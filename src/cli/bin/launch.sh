# Starts the pinned Bun on a file of src/cli; sourced by the commands beside it with: ENTRY ARGUMENTS...
# Sourced with wemu_bin set to this folder. No external program runs on the usual path, which keeps the cost under 1 ms.

# Short paths make looking at all sources in a checkout a fifth faster.
wemu_root=$wemu_bin/../../..
case $wemu_bin in
  */src/cli/bin) wemu_root=${wemu_bin%/src/cli/bin} ;;
esac
wemu_entry=$wemu_root/src/cli/$1.ts
wemu_bundle=$wemu_root/build/$1

# What `npm run build` made of the source starts 30 ms faster. In a checkout it counts only while no source that went into
# it is newer; WEMU_SOURCE=1 runs the source in any case.
wemu_program=
if [ -z "${WEMU_SOURCE-}" ] && [ -f "$wemu_bundle.js" ]; then
  if [ -e "$wemu_root/.git" ]; then
    . "$wemu_bundle.inputs"
    for wemu_input in $wemu_inputs; do
      [ "$wemu_root/$wemu_input" -nt "$wemu_bundle.js" ] && wemu_bundle= && break
    done
  fi
  if [ -n "$wemu_bundle" ]; then
    wemu_entry=$wemu_bundle.js
    # The same bundle within Bun's own executable starts another 3 ms faster (unless that is told to be just Bun). It is not
    # part of the package, being as large as Bun, and holds the commands that are started often.
    wemu_program=$wemu_root/build/wemu
    [ "$1" != wemu ] && [ -z "${BUN_BE_BUN-}" ] && [ -x "$wemu_program" ] || wemu_program=
  fi
fi

# This shell exports PWD even when its own environment had none. The guest must see exactly what the caller gave, so
# look (in /proc, where the original environment stands) in the cases where PWD may have been missing.
if [ -z "${SHLVL-}" ]; then
  IFS= read -r wemu_environ <"/proc/$$/environ"
  case $wemu_environ in
    *PWD=*) ;;
    *) unset PWD OLDPWD ;;
  esac
fi

# Settings of the JavaScript engine (docs/runtime.md says what they bring). They must be environment variables; our side
# hides them from the guest, knowing them by the leading zero. Whoever has set one himself keeps and sees it.
: "${BUN_JSC_maxNumberOfWorklistThreads=01}" "${BUN_JSC_largeHeapSize=033554432}" \
  "${BUN_JSC_thresholdForOMGOptimizeAfterWarmUp=0480000}" "${BUN_JSC_omgTierUpCounterIncrementForLoop=04}" \
  "${BUN_JSC_thresholdForFTLOptimizeAfterWarmUp=0500000}" "${BUN_JSC_gcMaxHeapSize=0268435456}"
export BUN_JSC_maxNumberOfWorklistThreads BUN_JSC_largeHeapSize \
  BUN_JSC_thresholdForOMGOptimizeAfterWarmUp BUN_JSC_omgTierUpCounterIncrementForLoop \
  BUN_JSC_thresholdForFTLOptimizeAfterWarmUp BUN_JSC_gcMaxHeapSize

[ -n "$wemu_program" ] && exec "$wemu_program" "$@"
shift
# Bun takes a first -- for itself (docs/runtime.md).
[ "${1-}" != -- ] || set -- -- "$@"

# A package of the same name inside ours wins over the one beside ours (installed flat). The platform package holds the
# real binary until bun's install script moves it to bun/bin/bun.exe, so either place works, scripts allowed or not.
for wemu_modules in "$wemu_root/node_modules" "$wemu_root/.."; do
  for wemu_bun in "$wemu_modules/@oven/bun-linux-x64/bin/bun" "$wemu_modules/@oven/bun-linux-x64-musl/bin/bun" \
    "$wemu_modules/bun/bin/bun.exe"; do
    # Settings of the current directory (.env, bunfig.toml) are the guest's business, never ours.
    [ -x "$wemu_bun" ] && exec "$wemu_bun" --no-env-file --config=/dev/null --no-install "$wemu_entry" "$@"
  done
done
echo "wemu: the bun package is not installed beside wemu; run npm install" >&2
exit 127
