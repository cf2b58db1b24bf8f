package oauth1_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/internal/oauth1"
)

// vectors are requests that RFC 5849 shows, with what they were signed with; the
// last one as its errata 2550 has it, with the form of its body as part of the query.
var vectors = []struct {
	verb, url, header, consumerSecret, tokenSecret string
}{
	{
		"POST", "https://photos.example.net/token",
		`OAuth realm="Photos", oauth_consumer_key="dpf43f3p2l4k3l03", oauth_token="hh5s93j4hdidpola",
			oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131201", oauth_nonce="walatlh",
			oauth_verifier="hfdp7dh39dks9884", oauth_signature="gKgrFCywp7rO0OXSjdot%2FIHF7IU%3D"`,
		"kd94hf93k423kf44", "hdhd0244k9j7ao03",
	},
	{
		"GET", "http://photos.example.net/photos?file=vacation.jpg&size=original",
		`OAuth realm="Photos", oauth_consumer_key="dpf43f3p2l4k3l03", oauth_token="nnch734d00sl2jdk",
			oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131202", oauth_nonce="chapoH",
			oauth_signature="MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D"`,
		"kd94hf93k423kf44", "pfkkdhi9sl3r4s00",
	},
	{
		"POST", "http://example.com/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b&c2&a3=2+q",
		`OAuth realm="Example", oauth_consumer_key="9djdj82h48djs9d2", oauth_token="kkk9d7dh3k39sjv7",
			oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131201", oauth_nonce="7d8f3e4a",
			oauth_signature="r6%2FTJjbCOr97%2F%2BUU0NsvSne7s5g%3D"`,
		"j49sk3j29djd", "dh893hdasih9",
	},
}

func TestVectorsOfTheRFC(t *testing.T) {
	for _, v := range vectors {
		r, err := oauth1.Parse(v.verb, v.url, v.header)
		require.NoError(t, err, v.url)
		require.True(t, r.Signed(v.consumerSecret, v.tokenSecret), v.url)
		require.False(t, r.Signed(v.consumerSecret+"x", v.tokenSecret), v.url)
		require.False(t, r.Signed(v.consumerSecret, v.tokenSecret+"x"), v.url)
		for _, changed := range []string{v.url + "?more=1", strings.Replace(v.url, "example", "example2", 1)} {
			r, err := oauth1.Parse(v.verb, changed, v.header)
			require.NoError(t, err)
			require.False(t, r.Signed(v.consumerSecret, v.tokenSecret), changed)
		}
		r, err = oauth1.Parse("PUT", v.url, v.header)
		require.NoError(t, err)
		require.False(t, r.Signed(v.consumerSecret, v.tokenSecret), "another verb")
	}
	r, err := oauth1.Parse(vectors[0].verb, vectors[0].url, vectors[0].header)
	require.NoError(t, err)
	require.Equal(t, "dpf43f3p2l4k3l03", r.Consumer)
	require.Equal(t, "hh5s93j4hdidpola", r.Token)
	require.Equal(t, "hfdp7dh39dks9884", r.Verifier)
	require.Equal(t, "137131201", r.Timestamp)
	require.Equal(t, "walatlh", r.Nonce)
}

func TestTheURLIsNormal(t *testing.T) {
	v := vectors[1]
	for _, url := range []string{
		"HTTP://Photos.Example.NET:80/photos?file=vacation.jpg&size=original",
		"http://photos.example.net/photos?size=original&file=vacation.jpg",
	} {
		r, err := oauth1.Parse("get", url, v.header)
		require.NoError(t, err)
		require.True(t, r.Signed(v.consumerSecret, v.tokenSecret), url)
	}
	r, err := oauth1.Parse("GET", "http://photos.example.net:8080/photos?file=vacation.jpg&size=original", v.header)
	require.NoError(t, err)
	require.False(t, r.Signed(v.consumerSecret, v.tokenSecret), "another port")
}

func TestPlaintextAndUnknownMethods(t *testing.T) {
	header := func(method, signature string) string {
		return `OAuth oauth_consumer_key="k", oauth_signature_method="` + method + `", oauth_signature="` + signature + `"`
	}
	r, err := oauth1.Parse("POST", "http://h/", header("PLAINTEXT", "a%2520b%26c"))
	require.NoError(t, err)
	require.True(t, r.Signed("a b", "c"))
	require.False(t, r.Signed("a b", "d"))
	for _, method := range []string{"", "RSA-SHA1", "plaintext"} {
		r, err := oauth1.Parse("POST", "http://h/", header(method, "a%2520b%26c"))
		require.NoError(t, err)
		require.False(t, r.Signed("a b", "c"), method)
	}
}

func TestWhatIsNoHeader(t *testing.T) {
	for _, header := range []string{
		"", "OAuth", "OAuth ", "Basic abc", `OAuth x`, `OAuth a="%zz"`, `OAuth oauth_token="a", oauth_token="b"`,
		`OAuth a="` + strings.Repeat("x", 9000) + `"`,
	} {
		_, err := oauth1.Parse("POST", "http://h/", header)
		require.ErrorIs(t, err, oauth1.ErrForm, header)
	}
	_, err := oauth1.Parse("POST", "http://h/?a=%zz", `OAuth oauth_token="a"`)
	require.ErrorIs(t, err, oauth1.ErrForm)
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.url, v.header)
	}
	f.Fuzz(func(t *testing.T, url, header string) {
		r, err := oauth1.Parse("POST", url, header)
		if err == nil {
			require.False(t, r.Signed("a secret that nobody", "has signed with"))
		}
	})
}
