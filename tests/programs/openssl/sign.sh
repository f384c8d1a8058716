# Signs a file with the keys named in the arguments, into the directory out. Prints the signatures that have no random part,
# secrets agreed on, and authentication codes.
mkdir -p out
for name; do
  case $name in
    rsa)
      for digest in sha1 sha256 sha512 md5 sha3-256 ripemd160; do
        openssl dgst "-$digest" -provider default -provider legacy -sign keys/rsa.pem -out "out/rsa.$digest" words.txt
        openssl dgst -r -sha256 "out/rsa.$digest"
      done
      openssl dgst -sha256 -sign keys/rsa.pem -sigopt rsa_padding_mode:pss -out out/rsa.pss words.txt
      echo 'a short text' |
        openssl pkeyutl -encrypt -pubin -inkey keys/rsa.pub -pkeyopt rsa_padding_mode:oaep -out out/oaep
      ;;
    rsa-pss) openssl dgst -sha256 -sign keys/rsa-pss.pem -sigopt rsa_padding_mode:pss -out out/rsa-pss.pss words.txt ;;
    dsa | ec-*) openssl dgst -sha256 -sign "keys/$name.pem" -out "out/$name.sha256" words.txt ;;
    sm2) openssl pkeyutl -sign -inkey keys/sm2.pem -rawin -digest sm3 -in words.txt -out out/sm2.sm3 ;;
    ED*)
      openssl pkeyutl -sign -inkey "keys/$name.pem" -rawin -in words.txt -out "out/$name.raw"
      openssl dgst -r -sha256 "out/$name.raw"
      ;;
    X* | dh) openssl pkeyutl -derive -inkey "keys/$name.pem" -peerkey "keys/$name.pub" | openssl dgst -r -sha256 ;;
    codes)
      key=000102030405060708090a0b0c0d0e0f
      openssl mac -macopt digest:SHA256 -macopt hexkey:$key -in words.txt HMAC
      openssl mac -macopt cipher:AES-128-CBC -macopt hexkey:$key -in words.txt CMAC
      openssl mac -macopt cipher:AES-128-GCM -macopt hexiv:000102030405060708090a0b -macopt hexkey:$key -in words.txt GMAC
      openssl mac -macopt hexkey:$key -macopt size:16 -in words.txt SIPHASH
      openssl mac -macopt hexkey:$key$key -in words.txt POLY1305
      for mac in KMAC-128 KMAC-256 BLAKE2BMAC BLAKE2SMAC; do
        openssl mac -macopt hexkey:$key -in words.txt $mac
      done
      ;;
    *) echo "unknown kind of key: $name" ;;
  esac
done
