package api

import "time"

// NewAPIKey asks for an API key of a payee.
type NewAPIKey struct {
	Name      string   `json:"name" minLength:"1" maxLength:"64" doc:"For people: which program has it."`
	Scopes    []string `json:"scopes" minItems:"1" maxItems:"6" enum:"orders,refunds,read,keys,webhooks,payouts" doc:"What it may be used for."`
	ExpiresIn int64    `json:"expires_in,omitempty" minimum:"60" maximum:"315360000" doc:"Seconds until it ends by itself; it lasts if this is left out."`
	Note      string   `json:"note,omitempty" maxLength:"280" doc:"For the audit log. Only of operators."`
}

// Rotation asks for a new API key in the place of one.
type Rotation struct {
	Overlap *int64 `json:"overlap,omitempty" minimum:"0" maximum:"2592000" doc:"Seconds in which both work; a day if left out."`
	Note    string `json:"note,omitempty" maxLength:"280" doc:"For the audit log. Only of operators."`
}

// MadeByOperator is the maker of API keys that operators have made.
const MadeByOperator = "operator"

// APIKey is an API key of a payee. Key is told once, when it is made.
type APIKey struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Scopes     []string   `json:"scopes" enum:"orders,refunds,read,keys,webhooks,payouts"`
	Hint       string     `json:"hint" doc:"The beginning of the key, to tell keys apart."`
	MadeBy     string     `json:"made_by" doc:"operator, or the id of the payee's key that made it."`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty" doc:"From then on it is refused."`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty" doc:"To about a minute."`
	ReplacedBy string     `json:"replaced_by,omitempty" doc:"The key in its place."`
	Replaces   string     `json:"replaces,omitempty" doc:"In the answer to a rotation: the old key."`
	OldUntil   *time.Time `json:"old_until,omitempty" doc:"In the answer to a rotation: from then on the old key is refused."`

	Key string `json:"key,omitempty" doc:"The key itself, told this once."`
}

// APIKeys is a payee's API keys, newest first.
type APIKeys struct {
	APIKeys []APIKey `json:"api_keys"`
}

// NewUndo says how long payments to a payee may be undone before their money moves.
type NewUndo struct {
	Undo int64 `json:"undo_seconds" minimum:"0" maximum:"86400" doc:"Seconds; 0 for not at all. For payments that are instructed from now on."`
}

// Self is whose an API key is, and what it may do.
type Self struct {
	Payee  Payee  `json:"payee"`
	APIKey APIKey `json:"api_key"`
}
