package awssig_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/internal/awssig"
)

// TestPublishedVectors are the examples of AWS's documentation.
func TestPublishedVectors(t *testing.T) {
	v4 := awssig.Request{
		Verb: "GET", Host: "iam.amazonaws.com", Path: "/",
		Params: map[string]string{"Action": "ListUsers", "Version": "2010-05-08"},
		Headers: map[string]string{
			"Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
			"Host":         "iam.amazonaws.com",
			"X-Amz-Date":   "20150830T123600Z",
			"Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, " +
				"SignedHeaders=content-type;host;x-amz-date, Signature=not-looked-at",
		},
		BodyHash: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	}
	got, err := v4.Sign("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
	require.NoError(t, err)
	require.Equal(t, "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7", got)

	key := awssig.SigningKey("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam")
	require.Equal(t, "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9", hex.EncodeToString(key))

	v2 := awssig.Request{
		Verb: "GET", Host: "elasticmapreduce.amazonaws.com", Path: "/",
		Params: map[string]string{
			"AWSAccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Action": "DescribeJobFlows", "SignatureMethod": "HmacSHA256",
			"SignatureVersion": "2", "Timestamp": "2011-10-03T15:19:30", "Version": "2009-03-31",
		},
	}
	got, err = v2.Sign("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	require.NoError(t, err)
	require.Equal(t, "i91nKc4PWAt0JJIdXwz9HxZCJDdiy6cf/Mj6vPxyYIs=", got)
}

// TestAsClientsSign are signatures that OpenStack's own client library makes.
func TestAsClientsSign(t *testing.T) {
	params := func(version string) map[string]string {
		return map[string]string{"SignatureVersion": version, "Action": "Describe", "action2": "x y", "b": "/z~é"}
	}
	for _, c := range []struct {
		name string
		r    awssig.Request
		want string
	}{
		{"version 1", awssig.Request{Verb: "GET", Host: "h", Path: "/", Params: params("1")}, "JlZamjiLLio1wYz1N2Brtxoy858="},
		{"version 2", awssig.Request{Verb: "GET", Host: "h:8773", Path: "/services", Params: params("2")}, "wjtxO2r7Uf6l/+1drK9Lu10i0fv1qHQ61KuM6B1GrCA="},
		{"version 4 in the header", awssig.Request{
			Verb: "GET", Host: "h", Path: "/p", Params: map[string]string{"a": "b c"}, BodyHash: "abc",
			Headers: map[string]string{
				"Host": "h", "X-Amz-Date": "20260131T010203Z",
				"Authorization": "AWS4-HMAC-SHA256 Credential=AK/20260131/r/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature=x",
			},
		}, "25f54c5a0d665aab2dd3ade03a40eb16e1b449c5731ee8268155bc548ecbe68b"},
		{"version 4 in the query", awssig.Request{
			Verb: "GET", Host: "h", Path: "/p", BodyHash: "abc", Headers: map[string]string{"Host": "h"},
			Params: map[string]string{
				"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Date": "20260131T010203Z",
				"X-Amz-Credential": "AK/20260131/r/ec2/aws4_request", "X-Amz-SignedHeaders": "host",
			},
		}, "5e28dc34d3f06230f48b1bb42f2f5aaafff84b1b101956d3eedcdc5430f418a5"},
	} {
		got, err := c.r.Sign("the secret+/=")
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, got, c.name)
	}
	got, err := awssig.SignText("the secret+/=", []byte("GET\n\n\nTue\n/b/k"))
	require.NoError(t, err)
	require.Equal(t, "vu8Hjbu1XIdPOjVaMen31yDo0SM=", got)
}

func TestUnknownForms(t *testing.T) {
	v4 := func(date, credential string) awssig.Request {
		return awssig.Request{Params: map[string]string{
			"X-Amz-Algorithm": awssig.Algorithm, "X-Amz-Date": date, "X-Amz-Credential": credential,
		}}
	}
	for _, r := range []awssig.Request{
		{}, {Params: map[string]string{"SignatureVersion": "0"}}, {Params: map[string]string{"SignatureVersion": "3"}},
		v4("20260131T010203Z", ""), v4("20260131T010203Z", "AK/20260131/r/ec2"),
		v4("20260201T010203Z", "AK/20260131/r/ec2/aws4_request"),
		{Params: map[string]string{"X-Amz-Date": "20260131T0", "X-Amz-Credential": "AK/20260131/r/ec2/aws4_request"}},
	} {
		_, err := r.Sign("s")
		require.ErrorIs(t, err, awssig.ErrForm, "%v", r)
	}
	for _, text := range []string{
		"AWS4", "AWS4-HMAC-SHA256\nd\n20260131/r/ec2/aws4_request\nh", "AWS4-HMAC-SHA256\nd\n20260131/r/s3\nh",
		"AWS4-HMAC-SHA512\nd\n20260131/r/s3/aws4_request\nh", "AWS4-HMAC-SHA256\nd\n20260131/r/s3/aws4_request\nh\nmore",
	} {
		_, err := awssig.SignText("s", []byte(text))
		require.ErrorIs(t, err, awssig.ErrForm, text)
	}
}

func FuzzSign(f *testing.F) {
	f.Add("4", "AWS4-HMAC-SHA256 Credential=a/20260131/r/s/aws4_request, SignedHeaders=host", "20260131T0", "x")
	f.Add("2", "", "", "/")
	f.Fuzz(func(t *testing.T, version, authorization, date, value string) {
		params := map[string]string{"v": value, "SignatureVersion": version}
		if version == "4" {
			delete(params, "SignatureVersion")
		}
		r := awssig.Request{
			Verb: "GET", Host: value, Path: value, Params: params,
			Headers: map[string]string{"Authorization": authorization, "X-Amz-Date": date, "Host": value},
		}
		first, err := r.Sign("secret")
		again, _ := r.Sign("secret")
		require.Equal(t, first, again, "signing changes nothing")
		if err == nil {
			other, _ := r.Sign("another")
			require.NotEqual(t, first, other)
		}
		awssig.SignText("secret", []byte(value))
	})
}
