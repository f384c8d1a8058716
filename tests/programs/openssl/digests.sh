# Every digest openssl lists, or every Nth from the Mth, over files of several sizes. Arguments: N M
every=$1 first=$2 n=0
openssl list -digest-algorithms -provider legacy -provider default |
  sed -n 's/^ *\({ [0-9.]*, \)\?\([A-Za-z][-A-Za-z0-9/]*\).*@.*/\2/p' | sort -u >digests.txt
while read -r digest; do
  n=$((n + 1))
  [ $((n % every)) = "$first" ] || continue
  echo "$digest:"
  openssl dgst -provider legacy -provider default "-$digest" -r noise.bin empty.txt words.txt 2>&1 |
    sed 's/^[0-9A-F]*:error/error/'
done <digests.txt
rm -f digests.txt
