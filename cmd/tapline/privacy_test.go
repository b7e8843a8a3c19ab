package main

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// guise is a way in which a secret may stand in a file.
type guise struct {
	name string
	text []byte
}

// guises are the ways to look for: as it is, in groups of four, in hexadecimal, as packed digits, within Base64 whatever
// stands before it, and as a plain digest, which gives a number of few digits away as well.
func guises(secret string) []guise {
	var groups []string
	for group := range slices.Chunk([]byte(secret), 4) {
		groups = append(groups, string(group))
	}
	found := []guise{
		{"as it is", []byte(secret)},
		{"in groups", []byte(strings.Join(groups, " "))},
		{"in groups", []byte(strings.Join(groups, "-"))},
		{"in hexadecimal", []byte(hex.EncodeToString([]byte(secret)))},
	}
	if packed, err := hex.DecodeString(secret); err == nil {
		found = append(found, guise{"as packed digits", packed})
	}
	for before := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + secret))
		// The first and last characters depend on what stands around the secret.
		found = append(found, guise{"within Base64", []byte(text[4 : len(text)-4])})
	}
	md, sha, sha2 := md5.Sum([]byte(secret)), sha1.Sum([]byte(secret)), sha256.Sum256([]byte(secret))
	for _, sum := range [][]byte{md[:], sha[:], sha2[:]} {
		found = append(found, guise{"as a plain digest", sum},
			guise{"as a plain digest in hexadecimal", []byte(hex.EncodeToString(sum))},
			guise{"as a plain digest", []byte(base64.RawStdEncoding.EncodeToString(sum))},
			guise{"as a plain digest", []byte(base64.RawURLEncoding.EncodeToString(sum))})
	}
	return found
}

func TestASecretIsFoundInEveryGuise(t *testing.T) {
	const secret = "470916538264"
	sum := sha256.Sum256([]byte(secret))
	for _, text := range []string{
		`{"pin":"470916538264"}`, "4709 1653 8264", "343730393136353338323634", "\x47\x09\x16\x53\x82\x64",
		base64.StdEncoding.EncodeToString([]byte(`{"pin":"470916538264"}`)),
		base64.StdEncoding.EncodeToString([]byte(`{"pin": "470916538264"}`)),
		base64.RawURLEncoding.EncodeToString([]byte(`{"a_pin":"470916538264","b":1}`)),
		fmt.Sprintf("%x", sum), string(sum[:]),
	} {
		if where(secret, []byte(text)) == "" {
			t.Errorf("not found in %q", text)
		}
	}
	if at := where(secret, []byte(`{"pin":"470916538265"}`)); at != "" {
		t.Errorf("found %s where it is not", at)
	}
}

// where is how a secret stands in a text, "" if it does not.
func where(secret string, text []byte) string {
	lower := bytes.ToLower(text)
	for _, g := range guises(secret) {
		if bytes.Contains(text, g.text) || strings.HasSuffix(g.name, "hexadecimal") && bytes.Contains(lower, g.text) {
			return g.name
		}
	}
	return ""
}

// nowhere checks that no file below a folder has any of the secrets in files: nowhere folder file...
func nowhere(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: nowhere folder file...")
	}
	var found []string
	files := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, name := range args[1:] {
			secret := strings.TrimSpace(ts.ReadFile(name))
			if at := where(secret, text); at != "" {
				found = append(found, fmt.Sprintf("%s holds what is in %s, %s", path, name, at))
			}
		}
		return nil
	}))
	switch {
	case files == 0:
		ts.Fatalf("%s is empty", args[0])
	case neg && len(found) == 0:
		ts.Fatalf("%s has none of them", args[0])
	case !neg && len(found) > 0:
		ts.Fatalf("%s", strings.Join(found, "\n"))
	}
}

// misplace sends a secret where it does not belong, and adds to a file what the service answers: misplace file answers.
func misplace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: misplace file answers")
	}
	secret := strings.TrimSpace(ts.ReadFile(args[0]))
	service := ts.Getenv("TAPLINE_URL")
	var answers bytes.Buffer
	send := func(method, path, kind, body string) {
		request, err := http.NewRequest(method, service+path, strings.NewReader(body))
		ts.Check(err)
		request.Header.Set("Content-Type", kind)
		request.Header.Set("Authorization", "Bearer "+secret)
		request.Header.Set("Idempotency-Key", secret)
		request.Header.Set("X-Request-Id", secret)
		request.Header.Set("Traceparent", secret)
		request.Header.Set("User-Agent", secret)
		request.Header.Set("Referer", service+"/?number="+secret)
		response, err := http.DefaultClient.Do(request)
		ts.Check(err)
		defer response.Body.Close()
		ts.Check(response.Header.Write(&answers))
		_, err = io.Copy(&answers, response.Body)
		ts.Check(err)
		if response.StatusCode < 400 {
			ts.Fatalf("%s %s: %s", method, path, response.Status)
		}
	}
	for _, path := range []string{"/v1/payees/", "/v1/payments/", "/v1/cards/", "/v1/admin/accounts/", "/nowhere/"} {
		send("GET", path+secret, "", "")
		send("GET", path+secret+"/receipt?wait="+secret+"&after="+url.QueryEscape(secret), "", "")
	}
	object := `{"number":"` + secret + `","` + secret + `":1}`
	for _, path := range []string{"/v1/payments", "/v1/token", "/v1/cards/activate", "/v1/admin/cards", "/v1/admin/payees"} {
		send("POST", path, "application/json", object)
		send("POST", path, "application/jose", base64.RawURLEncoding.EncodeToString([]byte(object))+"."+secret+"."+secret)
		send("POST", path, "application/x-www-form-urlencoded", "assertion="+secret)
		send("POST", path, secret, secret)
	}
	file, err := os.OpenFile(ts.MkAbs(args[1]), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = answers.WriteTo(file)
	ts.Check(err)
	ts.Check(file.Close())
}
