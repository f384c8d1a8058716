# Every cipher openssl lists, or every Nth from the Mth: encrypts a file, prints the digest, and decrypts it again.
# Arguments: N M
every=$1 first=$2 n=0
key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
iv=f0e1d2c3b4a5968778695a4b3c2d1e0f
# What cannot be used for files is listed too: a message and a status say so, and must be the same.
for cipher in $(openssl enc -list -provider legacy -provider default | sed 1d); do
  n=$((n + 1))
  [ $((n % every)) = "$first" ] || continue
  set -- -provider legacy -provider default "$cipher" -K $key -iv $iv
  openssl enc -e "$@" -in noise.bin -out enc.bin 2>message.txt
  status=$?
  # The process's address is in the messages.
  sed 's/^[0-9A-F]*:error/error/' message.txt
  case $cipher in
    # Triple DES wraps keys with a random vector: that each side reads what it wrote is all there is to compare.
    -des3-wrap | -id-smime-alg-CMS3DESwrap) ;;
    *) [ $status = 0 ] && openssl dgst -sha256 -r enc.bin ;;
  esac
  [ $status = 0 ] && openssl enc -d "$@" -in enc.bin 2>/dev/null | cmp - noise.bin
  echo "$n $cipher: $status"
done
rm -f enc.bin message.txt
