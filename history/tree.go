package history

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// A tree is kept in tiles of up to 256 hashes: those of level 0 have the leaves' hashes, and those of each level above the
// roots of the full tiles below. So a leaf is written a little more than once, and a proof reads a few tiles.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
	hashSize   = 32
)

// TileID names a tile.
type TileID struct {
	Log   Log
	Level int64
	Place int64 // from 0, among those of its level
}

// Tile is some hashes, one after the other.
type Tile struct {
	TileID
	Hashes []byte
}

// errNoHash means that a tile is not there, or has not as many hashes as it should have.
var errNoHash = errors.New("a hash of the history is missing")

// tree is a tree with the tiles that were read or changed.
type tree struct {
	log     Log
	read    func(TileID) ([]byte, error)
	tiles   map[TileID][]byte
	changed []TileID

	isChanged map[TileID]bool
}

func newTree(log Log, read func(TileID) ([]byte, error)) *tree {
	return &tree{log: log, read: read, tiles: map[TileID][]byte{}, isChanged: map[TileID]bool{}}
}

func (t *tree) tile(id TileID) ([]byte, error) {
	if hashes, there := t.tiles[id]; there {
		return hashes, nil
	}
	hashes, err := t.read(id)
	if err == nil {
		t.tiles[id] = hashes
	}
	return hashes, err
}

// add puts a hash at an index of a level, and the root of the tile that it fills on the level above.
func (t *tree) add(level, index int64, hash []byte) error {
	id := TileID{t.log, level, index / tileWidth}
	hashes, err := t.tile(id)
	if err != nil {
		return err
	}
	if int64(len(hashes)) != index%tileWidth*hashSize {
		return fmt.Errorf("%w: tile %d of level %d of %s has %d bytes", errNoHash, id.Place, level, t.log, len(hashes))
	}
	if !t.isChanged[id] {
		t.isChanged[id] = true
		t.changed = append(t.changed, id)
		hashes = append(make([]byte, 0, tileWidth*hashSize), hashes...)
	}
	hashes = append(hashes, hash...)
	t.tiles[id] = hashes
	if len(hashes) < tileWidth*hashSize {
		return nil
	}
	return t.add(level+1, id.Place, fold(hashes))
}

// fold is the root of a power of two of hashes.
func fold(hashes []byte) []byte {
	for len(hashes) > hashSize {
		above := make([]byte, 0, len(hashes)/2)
		for i := 0; i < len(hashes); i += 2 * hashSize {
			above = append(above, rfc6962.DefaultHasher.HashChildren(hashes[i:i+hashSize], hashes[i+hashSize:i+2*hashSize])...)
		}
		hashes = above
	}
	return hashes
}

// node is the hash of a full subtree.
func (t *tree) node(id compact.NodeID) ([]byte, error) {
	level, rest := int64(id.Level)/tileHeight, id.Level%tileHeight
	first, n := int64(id.Index)<<rest, int64(1)<<rest //nolint:gosec // trees are smaller than 2^63
	hashes, err := t.tile(TileID{t.log, level, first / tileWidth})
	if err != nil {
		return nil, err
	}
	at := first % tileWidth * hashSize
	if int64(len(hashes)) < at+n*hashSize {
		return nil, fmt.Errorf("%w: node %d of level %d of %s", errNoHash, id.Index, id.Level, t.log)
	}
	return fold(hashes[at : at+n*hashSize]), nil
}

func (t *tree) nodes(ids []compact.NodeID) ([][]byte, error) {
	hashes := make([][]byte, len(ids))
	for i, id := range ids {
		var err error
		if hashes[i], err = t.node(id); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

var ranges = compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}

// root is the root of the tree as it was with a number of leaves.
func (t *tree) root(size int64) (string, error) {
	hashes, err := t.nodes(compact.RangeNodes(0, uint64(size), nil))
	if err != nil {
		return "", err
	}
	r, err := ranges.NewRange(0, uint64(size), hashes)
	if err != nil {
		return "", err
	}
	return rootOf(r)
}

func rootOf(r *compact.Range) (string, error) {
	if r.End() == 0 {
		return encode(rfc6962.DefaultHasher.EmptyRoot()), nil
	}
	root, err := r.GetRootHash(nil)
	return encode(root), err
}

func (t *tree) prove(n proof.Nodes, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	hashes, err := t.nodes(n.IDs)
	if err != nil {
		return nil, err
	}
	if hashes, err = n.Rehash(hashes, rfc6962.DefaultHasher.HashChildren); err != nil {
		return nil, err
	}
	out := make([]string, len(hashes))
	for i, h := range hashes {
		out[i] = encode(h)
	}
	return out, nil
}

// Consistency proves that the tree with from leaves is the beginning of that with to leaves (RFC 9162 §2.1.4).
func Consistency(r Reader, log Log, from, to int64) ([]string, error) {
	return newTree(log, r.Tile).prove(proof.Consistency(uint64(from), uint64(to)))
}

// Inclusion proves that a leaf, by its number, is in the tree with size leaves (RFC 9162 §2.1.3).
func Inclusion(r Reader, log Log, number, size int64) ([]string, error) {
	return newTree(log, r.Tile).prove(proof.Inclusion(uint64(number-1), uint64(size)))
}

// VerifyConsistency checks a proof of Consistency between two roots.
func VerifyConsistency(from, to int64, hashes []string, root1, root2 string) error {
	decoded, err := decode(append(slices.Clone(hashes), root1, root2))
	if err != nil {
		return err
	}
	n := len(hashes)
	return proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(from), uint64(to), decoded[:n], decoded[n], decoded[n+1])
}

// VerifyInclusion checks a proof of Inclusion of a leaf under a root.
func VerifyInclusion(leaf Leaf, size int64, hashes []string, root string) error {
	decoded, err := decode(append(slices.Clone(hashes), root))
	if err != nil {
		return err
	}
	n := len(hashes)
	return proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(leaf.Number-1), uint64(size), leaf.Hash, decoded[:n], decoded[n])
}

func encode(hash []byte) string { return base64.RawURLEncoding.EncodeToString(hash) }

func decode(texts []string) ([][]byte, error) {
	out := make([][]byte, len(texts))
	for i, t := range texts {
		var err error
		if out[i], err = base64.RawURLEncoding.DecodeString(t); err != nil {
			return nil, err
		}
	}
	return out, nil
}
