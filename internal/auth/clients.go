package auth

import (
	"crypto/sha1" // The scheme says SHA-1; HMAC does not need collision resistance.
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// maxSecrets is how many live secrets a client may have: two, so that a secret
// can be rotated without a moment in which either side is locked out.
const maxSecrets = 2

// clients are all clients, by what they are known by.
type clients struct {
	byName map[string]Principal // without a KeyID
	byUser map[uint32]Principal
	keys   []key
}

// A key is one secret and whose it is.
type key struct {
	secret []byte
	owner  Principal
}

// newClients checks clients, each by itself and against the others.
func newClients(configured []Client) (clients, error) {
	known := clients{byName: make(map[string]Principal, len(configured)), byUser: make(map[uint32]Principal)}
	owners := make(map[[sha1.BlockSize]byte]string)
	for i, c := range configured {
		p := Principal{Client: c.Name, Scheme: SchemeFunc, Roles: slices.Clone(c.Roles), Labels: maps.Clone(c.Labels)}
		if len(c.UIDs) > 0 {
			p.Scheme = SchemePeercred
		}
		if c.Name == "" {
			return clients{}, fmt.Errorf("auth: client %d has no name", i+1)
		}
		if _, ok := known.byName[c.Name]; ok {
			return clients{}, fmt.Errorf("auth: two clients are named %q", c.Name)
		}
		known.byName[c.Name] = p
		var err error
		switch n := len(c.Secrets); {
		case len(c.UIDs) > 0 && n > 0:
			err = fmt.Errorf("auth: client %q has secrets and uids; it must have one of the two", c.Name)
		case len(c.UIDs) > 0:
			err = known.addUsers(p, c.UIDs)
		case n < 1 || n > maxSecrets:
			err = fmt.Errorf("auth: client %q has %d secrets, it must have one, or two during rotation, or uids", c.Name, n)
		default:
			err = known.addKeys(p, c.Secrets, owners)
		}
		if err != nil {
			return clients{}, err
		}
	}
	return known, nil
}

// addKeys adds the secrets of a client. owners says whose each block is.
func (known *clients) addKeys(p Principal, secrets [][]byte, owners map[[sha1.BlockSize]byte]string) error {
	for i, secret := range secrets {
		block := hmacBlock(secret)
		if block == [sha1.BlockSize]byte{} {
			return fmt.Errorf("auth: secret %d of client %q is empty", i+1, p.Client)
		}
		if other, ok := owners[block]; ok {
			return fmt.Errorf("auth: clients %q and %q have the same secret, or one has it twice", other, p.Client)
		}
		owners[block] = p.Client
		p.KeyID = strconv.Itoa(i + 1)
		known.keys = append(known.keys, key{secret: slices.Clone(secret), owner: p})
	}
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
