package api

// Head is a signed head of the service's history.
type Head struct {
	Number int64  `json:"number"`
	Day    string `json:"day,omitempty" doc:"The closed day whose end it is of."`
	Head   string `json:"head" doc:"A compact JWS by the service, with typ tapline-head+jws; see /.well-known/jwks.json."`
}

// Heads is a list of heads, newest first.
type Heads struct {
	Heads []Head `json:"heads"`
	Next  string `json:"next,omitempty"`
}

// ConsistencyProof proves that a tree is the beginning of a later one (RFC 9162 §2.1.4).
type ConsistencyProof struct {
	Log    string   `json:"log" enum:"entries,audit"`
	From   int64    `json:"from"`
	To     int64    `json:"to"`
	Hashes []string `json:"hashes" doc:"base64url"`
}
