package httpapi

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"slices"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/internal/strictjson"
	"tapline/payment"
	"tapline/processor"
)

// signInOwner is the caller as the owner of passkeys to sign in with, and the handle by which authenticators know it.
func (c caller) signInOwner() (o processor.SignInOwner, handle string) {
	if c.who == byOperator {
		return processor.SignInOwner{Operator: c.operator}, string(c.operator)
	}
	return processor.SignInOwner{APIKey: c.key.MAC}, c.key.ID
}

// challengeSignIn is POST /v1/sign-in-challenges.
func (c *call) challengeSignIn() (answer, error) {
	now := c.world()
	return ok(api.SignInChallenge{
		Challenge: consent.NewSignInChallenge(c.Keys, now), Audience: c.audience, ExpiresAt: now.Add(consent.SignInChallengeLife),
	})
}

// registerSignIn is POST /v1/sign-in-passkeys.
func (c *call) registerSignIn() (answer, error) {
	var in api.NewSignInPasskey
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	key, err := c.byHeader()
	if err != nil {
		return answer{}, err
	}
	label, err := label("label", in.Label, 1)
	if err != nil {
		return answer{}, err
	}
	if _, err := consent.CheckSignInChallenge(c.Keys, in.Challenge, c.world()); err != nil {
		return answer{}, err
	}
	owner, handle := c.by.signInOwner()
	made, err := c.party.Register(in.Passkey, consent.SignInRegistrationChallenge(handle, c.audience, in.Challenge))
	if err != nil {
		return answer{}, err
	}
	command := &processor.RegisterSignIn{SignIn: processor.SignIn{
		ID: base64.RawURLEncoding.EncodeToString(made.ID), Owner: owner, PublicKey: made.PublicKey, Counter: int64(made.Counter),
		Synced: made.Synced, Label: label,
	}}
	return c.do(processor.Request{Key: key, Digest: c.digest(in), Command: command, Answer: func(time.Time) (int, []byte) {
		return http.StatusCreated, encode(c.signInView(command.SignIn))
	}})
}

// removeSignIn is POST /v1/sign-in-passkeys/remove.
func (c *call) removeSignIn() (answer, error) {
	var in api.SignInPasskeyRemoval
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	key, err := c.byHeader()
	if err != nil {
		return answer{}, err
	}
	owner, _ := c.by.signInOwner()
	command := &processor.RemoveSignIn{Owner: owner, ID: in.Credential, Used: c.by.passkey}
	return c.do(processor.Request{Key: key, Digest: c.digest(in), Command: command, Answer: func(time.Time) (int, []byte) {
		return http.StatusOK, encode(c.signInView(command.SignIn))
	}})
}

// listSignIns is GET /v1/sign-in-passkeys: the caller's own.
func (c *call) listSignIns() (answer, error) {
	owner, handle := c.by.signInOwner()
	rows, err := c.load(c.r.Context(), processor.Wants{
		SignInsOf: []processor.SignInOwner{owner}, Operators: []processor.OperatorID{owner.Operator}, Payees: []payment.Handle{c.by.payee},
	})
	if err != nil {
		return answer{}, err
	}
	list := api.SignInPasskeys{Owner: handle, Passkeys: []api.SignInPasskey{}}
	for _, o := range rows.Operators {
		list.Name = o.Name
	}
	for _, p := range rows.Payees {
		list.Name = p.Name
	}
	slices.SortFunc(rows.SignIns, func(a, b processor.SignIn) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	for _, k := range rows.SignIns {
		if k.RemovedAt.IsZero() {
			list.Passkeys = append(list.Passkeys, c.signInView(k))
		}
	}
	return ok(list)
}

func (c *call) signInView(k processor.SignIn) api.SignInPasskey {
	v := api.SignInPasskey{Credential: k.ID, Label: k.Label, Synced: k.Synced, Current: k.ID == c.by.passkey, CreatedAt: k.CreatedAt}
	if !k.UsedAt.IsZero() {
		v.UsedAt = &k.UsedAt
	}
	return v
}

// signIn answers POST /v1/token for a passkey. Why it is refused is not told further than what its user's page got wrong.
func (c *call) signIn(challenge, text string) (answer, error) {
	refused := func() (answer, error) {
		return oauthError(http.StatusUnauthorized, "invalid_client", consent.ErrPasskey.Error())
	}
	var a consent.PasskeyAssertion
	if strictjson.Decode([]byte(text), &a) != nil {
		return oauthError(http.StatusBadRequest, "invalid_request", "passkey is the answer of navigator.credentials.get as JSON")
	}
	made, err := consent.CheckSignInChallenge(c.Keys, challenge, c.world())
	if err != nil {
		return refused()
	}
	rows, err := c.load(c.r.Context(), processor.Wants{SignIns: []string{a.Credential}})
	if err != nil {
		return answer{}, err
	}
	raw, err := a.ID()
	if err != nil || len(rows.SignIns) == 0 {
		return refused()
	}
	k := rows.SignIns[0]
	kind, handle, err := c.ownerOf(k)
	if err != nil {
		return answer{}, err
	}
	counter, err := c.party.SignIn(a, consent.Passkey{ID: raw, PublicKey: k.PublicKey}, handle, consent.SignInChallenge(kind, c.audience, challenge))
	if err != nil {
		return refused()
	}
	command := &processor.UseSignIn{ID: k.ID, Counter: counter, Challenge: made}
	if _, err := c.do(processor.Request{Command: command, Answer: func(time.Time) (int, []byte) { return http.StatusOK, []byte("{}") }}); err != nil {
		if r, known := explain(err); known && r.code == "passkey_refused" {
			return refused()
		}
		return answer{}, err
	}
	subject := string(command.Owner.Operator)
	if kind == consent.PayeeToken {
		subject = string(command.Payee)
	}
	token, life, err := consent.IssueSession(c.Keys, subject, kind, k.ID, c.tokenAudience(), c.world())
	if err != nil {
		return answer{}, err
	}
	return ok(api.Token{AccessToken: token, TokenType: "Bearer", ExpiresIn: int(life / time.Second)})
}

// ownerOf is what kind of token a passkey gets, and the handle by which authenticators know its owner.
func (c *call) ownerOf(k processor.SignIn) (kind consent.TokenKind, handle string, err error) {
	if k.Owner.Operator != "" {
		return consent.OperatorToken, string(k.Owner.Operator), nil
	}
	rows, err := c.load(c.r.Context(), processor.Wants{APIKeys: []string{k.Owner.APIKey}})
	if err == nil && len(rows.APIKeys) > 0 {
		handle = rows.APIKeys[0].ID
	}
	return consent.PayeeToken, handle, err
}

// session is who holds a token that a passkey got. The passkey must still be there, and its owner be one who may act.
func (c *call) session(token consent.Token) (caller, error) {
	rows, err := c.load(c.r.Context(), processor.Wants{SignIns: []string{token.Passkey}})
	if err != nil {
		return caller{}, err
	}
	if len(rows.SignIns) == 0 || !rows.SignIns[0].RemovedAt.IsZero() {
		return caller{}, refuse("invalid_token")
	}
	owner := rows.SignIns[0].Owner
	switch {
	case token.Kind == consent.OperatorToken && string(owner.Operator) == token.Subject:
		return c.operatorCaller(owner.Operator, token)
	case token.Kind == consent.PayeeToken && owner.APIKey != "":
		by, err := c.keyCaller([]string{owner.APIKey})
		if err != nil || string(by.payee) != token.Subject {
			return caller{}, cmp.Or(err, refuse("invalid_token"))
		}
		by.passkey = token.Passkey
		if token.Expires.Before(by.until) {
			by.until = token.Expires
		}
		return by, nil
	}
	return caller{}, refuse("invalid_token")
}

// operatorCaller is an operator who may act.
func (c *call) operatorCaller(id processor.OperatorID, token consent.Token) (caller, error) {
	rows, err := c.load(c.r.Context(), processor.Wants{Operators: []processor.OperatorID{id}})
	if err == nil && (len(rows.Operators) == 0 || !rows.Operators[0].Acts()) {
		err = refuse("invalid_token")
	}
	return caller{who: byOperator, operator: id, until: token.Expires, passkey: token.Passkey}, err
}

// confirmOperator is POST /v1/admin/operators/{id}/confirm.
func (c *call) confirmOperator() (answer, error) {
	var in api.Noted
	who, err := c.noted(&in)
	if err != nil {
		return answer{}, err
	}
	command := &processor.ConfirmOperator{Operated: who, ID: processor.OperatorID(c.r.PathValue("id"))}
	return c.operate(in, command, func(time.Time) (int, []byte) { return http.StatusOK, encode(operatorView(command.After)) })
}

// removeOperator is POST /v1/admin/operators/{id}/remove.
func (c *call) removeOperator() (answer, error) {
	var in api.Noted
	who, err := c.noted(&in)
	if err != nil {
		return answer{}, err
	}
	command := &processor.RemoveOperator{Operated: who, ID: processor.OperatorID(c.r.PathValue("id"))}
	return c.operate(in, command, func(time.Time) (int, []byte) { return http.StatusOK, encode(operatorView(command.After)) })
}

// inviteOperator is POST /v1/admin/invites. The invite is told this once.
func (c *call) inviteOperator() (answer, error) {
	var in api.Noted
	who, err := c.noted(&in)
	if err != nil {
		return answer{}, err
	}
	text, err := consent.IssueInvite(c.Keys, string(c.by.operator), c.tokenAudience(), c.world())
	if err != nil {
		return answer{}, err
	}
	token, err := consent.CheckToken(c.Keys, text, c.tokenAudience(), c.world())
	if err != nil {
		return answer{}, err
	}
	return c.operate(in, &processor.Invite{Operated: who, ID: token.ID}, func(time.Time) (int, []byte) {
		return http.StatusCreated, encode(api.Invite{Invite: text, ExpiresAt: token.Expires})
	})
}
