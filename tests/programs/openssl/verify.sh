# Verifies the signatures in out/, and that they do not fit another file.
for signature in out/*; do
  name=${signature##*/}
  kind=${name%.*}
  for file in words.txt numbers.txt; do
    case $name in
      oaep) openssl pkeyutl -decrypt -inkey keys/rsa.pem -pkeyopt rsa_padding_mode:oaep -in out/oaep ;;
      *.pss) openssl dgst -sha256 -sigopt rsa_padding_mode:pss -verify "keys/$kind.pub" -signature "$signature" $file ;;
      *.raw) openssl pkeyutl -verify -pubin -inkey "keys/$kind.pub" -rawin -in $file -sigfile "$signature" ;;
      *.sm3) openssl pkeyutl -verify -pubin -inkey "keys/$kind.pub" -rawin -digest sm3 -in $file -sigfile "$signature" ;;
      *)
        openssl dgst "-${name##*.}" -provider default -provider legacy \
          -verify "keys/$kind.pub" -signature "$signature" $file
        ;;
    esac 2>message.txt
    echo "$name $file: $? $(sed 's/^[0-9A-F]*:error/error/' message.txt)"
  done
done
rm -f message.txt
