package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"tapline/api"
	"tapline/consent"
)

// resignAfter is when a message is signed anew before it is sent again: well before consent.MaxSkew.
const resignAfter = 2 * time.Minute

// Message is a device's signed write. However often it is sent, also by several calls of Send, its jti is the same, so
// that the service does it once. It is for one goroutine.
type Message struct {
	conn   *Conn
	path   string
	typ    consent.Typ
	claims func(consent.Claims) any
	id     string

	signed   string
	signedAt time.Time
}

// Message prepares a write to path. claims puts the common claims into the message's own; id is its jti, a fresh one if
// empty.
func (c *Conn) Message(path string, typ consent.Typ, id string, claims func(consent.Claims) any) *Message {
	if id == "" {
		id = consent.NewIDAt(time.Now())
	}
	return &Message{conn: c, path: path, typ: typ, claims: claims, id: id}
}

// Send signs the message and sends it until it is answered.
func (m *Message) Send(ctx context.Context, out any) error {
	if m.conn.key == nil {
		return ErrNoKey
	}
	return m.conn.do(ctx, call{
		method: http.MethodPost, path: m.path, contentType: api.ContentJWS, body: m.sign, out: out,
	})
}

// sign keeps what was signed as long as the service takes it.
func (m *Message) sign(ctx context.Context) ([]byte, error) {
	service, err := m.conn.Service(ctx)
	if err != nil {
		return nil, err
	}
	now := m.conn.now()
	if m.signed == "" || now.Sub(m.signedAt) >= resignAfter || now.Before(m.signedAt) {
		claims := consent.Claims{Audience: service.Audience, IssuedAt: now.Unix(), ID: m.id}
		if m.signed, err = consent.Sign(m.conn.key, m.typ, m.claims(claims)); err != nil {
			return nil, err
		}
		m.signedAt = now
	}
	return []byte(m.signed), nil
}

// Write sends an operator's write as JSON, or without a body if in is nil, under an idempotency key until it is answered.
func (c *Conn) Write(ctx context.Context, path, key string, in, out any) error {
	return c.write(ctx, path, key, c.bearer, in, out)
}

// WriteAs is Write with another token than the key's own.
func (c *Conn) WriteAs(ctx context.Context, token, path, key string, in, out any) error {
	return c.write(ctx, path, key, func(context.Context, bool) (string, error) { return token, nil }, in, out)
}

// WriteUnnamedAs is WriteAs for the few writes that have no idempotency key: it is sent again only if it has certainly not been done.
func (c *Conn) WriteUnnamedAs(ctx context.Context, token, path string, in, out any) error {
	return c.write(ctx, path, "", func(context.Context, bool) (string, error) { return token, nil }, in, out)
}

func (c *Conn) write(
	ctx context.Context, path, key string, auth func(context.Context, bool) (string, error), in, out any,
) error {
	var body []byte
	contentType := ""
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body, contentType = text, "application/json"
	}
	// The token is for the service that was asked, not for one that claims to be another.
	if _, err := c.Service(ctx); err != nil {
		return overall(false, err)
	}
	return c.do(ctx, call{
		method: http.MethodPost, path: path, contentType: contentType,
		body: func(context.Context) ([]byte, error) { return body, nil },
		auth: auth, key: key, unnamed: key == "", out: out,
	})
}
