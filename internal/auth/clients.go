package auth

import (
	"crypto/sha1" // The Func scheme says SHA-1; HMAC does not need collision resistance.
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// maxSecrets is how many live secrets or keys a client may have: two, so that one
// can be rotated without a moment in which either side is locked out.
const maxSecrets = 2

// clients are all clients, by what they are known by.
type clients struct {
	byName      map[string]Principal // without a KeyID
	byUser      map[uint32]Principal
	keys        []key                // of the Func scheme
	signatories map[string]signatory // by the name of the client, which is the keyid
	bindings    map[string][]binding // by the name of the client
}

// A key is one secret and whose it is.
type key struct {
	secret []byte
	owner  Principal
}

// owned is whose each secret is, by its block, and each public key.
type owned struct {
	secrets map[[sha1.BlockSize]byte]string
	public  map[string]string
}

// newClients checks clients, each by itself and against the others.
func newClients(configured []Client) (clients, error) {
	known := clients{
		byName: make(map[string]Principal, len(configured)), byUser: make(map[uint32]Principal),
		signatories: make(map[string]signatory), bindings: make(map[string][]binding),
	}
	owners := owned{make(map[[sha1.BlockSize]byte]string), make(map[string]string)}
	for i, c := range configured {
		if c.Name == "" {
			return clients{}, fmt.Errorf("auth: client %d has no name", i+1)
		}
		if _, ok := known.byName[c.Name]; ok {
			return clients{}, fmt.Errorf("auth: two clients are named %q", c.Name)
		}
		p := Principal{Client: c.Name, Scheme: c.scheme(), Roles: slices.Clone(c.Roles), Labels: maps.Clone(c.Labels)}
		known.byName[c.Name] = p
		if err := known.add(c, p, owners); err != nil {
			return clients{}, err
		}
	}
	return known, nil
}

// scheme is what a client is known by.
func (c Client) scheme() string {
	switch {
	case c.Scheme != "":
		return c.Scheme
	case len(c.UIDs) > 0:
		return SchemePeercred
	}
	return SchemeFunc
}

// add adds what a client is known by.
func (known *clients) add(c Client, p Principal, owners owned) error {
	for _, text := range c.Certificates {
		b, err := newBinding(text)
		if err != nil {
			return err
		}
		known.bindings[c.Name] = append(known.bindings[c.Name], b)
	}
	n := len(c.Secrets)
	switch {
	case len(c.UIDs) > 0 && n+len(c.PublicKeys) > 0:
		return fmt.Errorf("auth: client %q has secrets and uids; it must have one of the two", c.Name)
	case p.Scheme == SchemePeercred && len(c.Certificates) > 0:
		return fmt.Errorf("auth: client %q is known by its user, and cannot be bound to a certificate", c.Name)
	case p.Scheme == SchemePeercred && len(c.UIDs) > 0:
		return known.addUsers(p, c.UIDs)
	case p.Scheme == SchemeHTTPSig:
		return known.addSignatory(c, p, owners)
	case p.Scheme != SchemeFunc || len(c.PublicKeys) > 0:
		return fmt.Errorf("auth: client %q has a scheme that does not go with what it has", c.Name)
	case n < 1 || n > maxSecrets:
		return fmt.Errorf("auth: client %q has %d secrets, it must have one, or two during rotation, or uids", c.Name, n)
	}
	return known.addKeys(p, c.Secrets, owners)
}

// addKeys adds the secrets of a client of the Func scheme.
func (known *clients) addKeys(p Principal, secrets [][]byte, owners owned) error {
	for i, secret := range secrets {
		if err := owners.take(p.Client, i, secret); err != nil {
			return err
		}
		p.KeyID = strconv.Itoa(i + 1)
		known.keys = append(known.keys, key{secret: slices.Clone(secret), owner: p})
	}
	return nil
}

// take makes a secret a client's, which nobody else may have.
func (o owned) take(client string, i int, secret []byte) error {
	block := hmacBlock(secret)
	if block == [sha1.BlockSize]byte{} {
		return fmt.Errorf("auth: secret %d of client %q is empty", i+1, client)
	}
	if other, ok := o.secrets[block]; ok {
		return fmt.Errorf("auth: clients %q and %q have the same secret, or one has it twice", other, client)
	}
	o.secrets[block] = client
	return nil
}

// addUsers adds the users of a client.
func (known *clients) addUsers(p Principal, uids []uint32) error {
	for _, uid := range uids {
		if nobody(uid) {
			return fmt.Errorf("auth: the uid %d of client %q stands for no certain user", uid, p.Client)
		}
		if other, ok := known.byUser[uid]; ok {
			return fmt.Errorf("auth: clients %q and %q have the same uid %d, or one has it twice", other.Client, p.Client, uid)
		}
		p.KeyID = "uid:" + strconv.FormatUint(uint64(uid), 10)
		known.byUser[uid] = p
	}
	return nil
}

// hmacBlock returns the key as HMAC uses it (RFC 2104, section 2): hashed when
// longer than a block, then filled up with zeros. Two secrets with equal blocks
// make equal signatures although their bytes differ, so this is what has to be
// unique; and a secret of zeros only is as good as none.
func hmacBlock(secret []byte) (block [sha1.BlockSize]byte) {
	if len(secret) > len(block) {
		sum := sha1.Sum(secret)
		secret = sum[:]
	}
	copy(block[:], secret)
	return block
}
