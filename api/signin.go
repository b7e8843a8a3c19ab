package api

import (
	"time"

	"tapline/consent"
)

// SignInChallenge is what a passkey answers to sign in, or is registered with.
type SignInChallenge struct {
	Challenge string    `json:"challenge" doc:"For one sign-in or registration. The WebAuthn challenge is a SHA-256 that holds it; see the reference."`
	Audience  string    `json:"audience" doc:"Which goes into that, too."`
	ExpiresAt time.Time `json:"expires_at"`
}

// NewSignInPasskey asks to register a passkey to sign in with.
type NewSignInPasskey struct {
	Challenge string                  `json:"challenge" maxLength:"128" doc:"Of POST /v1/sign-in-challenges."`
	Label     string                  `json:"label" minLength:"1" maxLength:"64" doc:"What its owner calls it."`
	Passkey   consent.PasskeyCreation `json:"passkey"`
}

// SignInPasskeyRemoval names the passkey to be removed.
type SignInPasskeyRemoval struct {
	Credential string `json:"credential" maxLength:"1364" doc:"Its id in base64url."`
}

// SignInPasskey is a passkey that an operator or a payee signs in with.
type SignInPasskey struct {
	Credential string     `json:"credential" doc:"Its id in base64url."`
	Label      string     `json:"label"`
	Synced     bool       `json:"synced" doc:"It may be on other devices of its user, too."`
	Current    bool       `json:"current" doc:"It is the one that the caller is signed in with, and cannot be removed."`
	CreatedAt  time.Time  `json:"created_at"`
	UsedAt     *time.Time `json:"used_at,omitempty" doc:"Left out if it never was."`
}

// SignInPasskeys is the passkeys of the caller.
type SignInPasskeys struct {
	Owner    string          `json:"owner" doc:"The WebAuthn user handle of a new one."`
	Name     string          `json:"name" doc:"Whose they are."`
	Passkeys []SignInPasskey `json:"passkeys"`
}
