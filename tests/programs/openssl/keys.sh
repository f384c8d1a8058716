# A key pair of every kind that can sign or agree, for both sides of the comparison. Runs natively.
mkdir -p keys
pair() {
  name=$1
  shift
  openssl genpkey "$@" -out "keys/$name.pem" 2>/dev/null || exit 1
  openssl pkey -in "keys/$name.pem" -pubout -out "keys/$name.pub" || exit 1
}
pair rsa -algorithm RSA -pkeyopt rsa_keygen_bits:1536
pair rsa-pss -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:1536
openssl genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024 -out keys/dsa.param 2>/dev/null
pair dsa -paramfile keys/dsa.param
for curve in prime256v1 secp384r1 secp521r1 secp256k1 brainpoolP320r1 sect283k1; do
  pair "ec-$curve" -algorithm EC -pkeyopt "ec_paramgen_curve:$curve"
done
pair sm2 -algorithm SM2
for kind in ED25519 ED448 X25519 X448; do
  pair "$kind" -algorithm $kind
done
pair dh -algorithm DH -pkeyopt group:ffdhe2048
rm -f keys/dsa.param
