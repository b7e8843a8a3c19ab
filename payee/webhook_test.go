package payee_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tapline/internal/testenv"
	"tapline/webhook"
)

// npm is where the packages are that look at what we make.
const npm = "../webui/testdata/npm"

func needNode(t *testing.T) {
	t.Helper()
	_, err := os.Stat(npm + "/node_modules/standardwebhooks/package.json")
	testenv.Require(t, "npm", err == nil, "run scripts/install-test-deps")
}

func message(body string) webhook.Message {
	return webhook.Message{ID: "whd_1", Time: time.Now(), Body: []byte(body)}
}

const paid = `{"type":"payment.settled","timestamp":"2026-01-01T00:00:00Z","data":{"id":"pay_书","state":"settled","version":4}}`

// TestNodeVerifiesOurSignatures has code that is not ours verify both: the npm package standardwebhooks v1, and Node's crypto v1a.
func TestNodeVerifiesOurSignatures(t *testing.T) {
	needNode(t)
	const script = `import { Webhook } from "standardwebhooks";
import { createPublicKey, verify } from "node:crypto";
const { SECRET, PUBLIC, ID, TIME, SIGNATURE, BODY } = process.env;
const headers = { "webhook-id": ID, "webhook-timestamp": TIME, "webhook-signature": SIGNATURE };
let shared = true;
try { new Webhook(SECRET).verify(BODY, headers); } catch { shared = false; }
const x = Buffer.from(PUBLIC.slice(5), "base64").toString("base64url");
const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
const own = SIGNATURE.split(" ").filter((s) => s.startsWith("v1a,")).some((s) =>
  verify(null, Buffer.from(ID + "." + TIME + "." + BODY), key, Buffer.from(s.slice(4), "base64")));
console.log(shared, own);`
	keys, m := webhook.NewKeys(), message(paid)
	h, err := m.Header(webhook.NewKeys(), keys)
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{paid: "true true\n", strings.Replace(paid, "settled", "expired", 1): "false false\n"} {
		cmd := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", script)
		cmd.Dir = npm
		cmd.Env = append(os.Environ(), "SECRET="+keys.Secret(), "PUBLIC="+keys.PublicKey(), "ID="+m.ID, "TIME="+h.Get("webhook-timestamp"),
			"SIGNATURE="+h.Get("webhook-signature"), "BODY="+body)
		if got, err := cmd.CombinedOutput(); err != nil || string(got) != want {
			t.Errorf("node: %s, %v; want %s", got, err, want)
		}
	}
}

// TestReceiversOfTheDocument runs the receivers of docs/webhooks.md and sends them good and forged messages.
func TestReceiversOfTheDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(language string) string {
		_, after, _ := strings.Cut(string(text), "\n```"+language+"\n")
		code, _, found := strings.Cut(after, "\n```\n")
		if !found {
			t.Fatalf("docs/webhooks.md has no example in %s", language)
		}
		return code
	}
	t.Run("go", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/main.go", []byte(block("go")), 0o600); err != nil {
			t.Fatal(err)
		}
		build := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/receiver", dir+"/main.go")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("the example does not build: %v\n%s", err, out)
		}
		receives(t, exec.Command(dir+"/receiver"))
	})
	t.Run("node", func(t *testing.T) {
		needNode(t)
		cmd := exec.Command("node", "--input-type=module", "-e", block("js"))
		cmd.Dir = npm
		receives(t, cmd)
	})
}

// receives starts a receiver and sends it a message, the same again, and a forged one.
func receives(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	keys := webhook.NewKeys()
	var said bytes.Buffer
	cmd.Env = append(os.Environ(), "LISTEN="+address, "WEBHOOK_SECRET="+keys.Secret())
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &webhook.Poster{Local: http.DefaultClient}
	post := func(keys webhook.Keys) webhook.Result {
		return p.Post(context.Background(), "http://"+address+"/hook", message(paid), keys)
	}
	first := post(keys)
	for range 500 {
		if first.Failure != webhook.Unreached {
			break
		}
		<-time.After(20 * time.Millisecond)
		first = post(keys)
	}
	again, forged := post(keys), post(webhook.NewKeys())
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if first.Status != 204 || again.Status != 204 || forged.Status != 400 || strings.Count(said.String(), "paid: pay_书") != 1 {
		t.Errorf("answers %+v, %+v, and to a forged one %+v; it said:\n%s", first, again, forged, said.String())
	}
}
