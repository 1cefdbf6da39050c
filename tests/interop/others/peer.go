// peer is Go's side of the meeting: it knows transparency logs by sumdb/note and sumdb/tlog alone,
// copied from the toolchain's own vendor folder, and speaks HTTP.
//
//	peer audit LEDGER VKEY             reads a whole ledger and checks its proofs
//	peer log                           serves a log of its own, and prints where
//	peer ask WITNESS WITNESS_VKEY      has a log of its own cosigned, twice
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"interop.test/note"
	"interop.test/tlog"
)

func main() {
	switch os.Args[1] {
	case "audit":
		audit(os.Args[2], os.Args[3])
	case "log":
		serve()
	case "ask":
		ask(os.Args[2], os.Args[3])
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func demand(held bool, what string) {
	if !held {
		check(fmt.Errorf("%s", what))
	}
}

func get(url string) []byte {
	answer, err := http.Get(url)
	check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	check(err)
	demand(answer.StatusCode == 200, fmt.Sprintf("%s: %s", url, answer.Status))
	return body
}

func hashOf(text string) tlog.Hash {
	data, err := base64.StdEncoding.DecodeString(text)
	check(err)
	demand(len(data) == tlog.HashSize, "a hash of another length")
	return tlog.Hash(data)
}

// checkpoint opens a signed note of three lines.
func checkpoint(data []byte, verifiers note.Verifiers) (string, tlog.Tree, *note.Note) {
	opened, err := note.Open(data, verifiers)
	check(err)
	lines := strings.Split(opened.Text, "\n")
	demand(len(lines) == 4 && lines[3] == "", "not a checkpoint")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	return lines[0], tlog.Tree{N: size, Hash: hashOf(lines[2])}, opened
}

// path is where C2SP tlog-tiles has a tile; Go's own differs in its height and its width.
func path(level string, n int64, width int) string {
	groups := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		groups = fmt.Sprintf("x%03d/%s", n%1000, groups)
	}
	if width != 256 {
		groups += fmt.Sprintf(".p/%d", width)
	}
	return "/tile/" + level + "/" + groups
}

type tiles struct{ base string }

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, each := range wanted {
		found = append(found, get(t.base+path(strconv.Itoa(each.L), each.N, each.W)))
	}
	return found, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func entries(base string, size int64) [][]byte {
	var found [][]byte
	for n := int64(0); n*256 < size; n++ {
		width := min(256, size-n*256)
		data := get(base + path("entries", n, int(width)))
		for len(data) > 0 {
			length := 2 + int(binary.BigEndian.Uint16(data))
			found = append(found, data[2:length])
			data = data[length:]
		}
	}
	demand(int64(len(found)) == size, "another number of entries")
	return found
}

func audit(ledger, vkey string) {
	verifier, err := note.NewVerifier(vkey)
	check(err)
	known := note.VerifierList(verifier)
	base := ledger + "/log"
	origin, tree, opened := checkpoint(get(base+"/checkpoint"), known)
	demand(origin == verifier.Name(), "another origin")

	reader := tlog.TileHashReader(tree, tiles{base})
	root, err := tlog.TreeHash(tree.N, reader)
	check(err)
	demand(root == tree.Hash, "the tiles have another root")
	leaves := entries(base, tree.N)
	for n, leaf := range leaves {
		proof, err := tlog.ProveRecord(tree.N, int64(n), reader)
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, int64(n), tlog.RecordHash(leaf)))
	}

	receipts := 0
	for n := int64(0); n < tree.N; n += 37 {
		text := get(fmt.Sprintf("%s/entries/%d.proof", ledger, n))
		head, signed, _ := bytes.Cut(text, []byte("\n\n"))
		_, at, _ := checkpoint(signed, known)
		var proof tlog.RecordProof
		for _, line := range strings.Split(string(head), "\n") {
			if !strings.Contains(line, "c2sp.org/") && !strings.Contains(line, " ") {
				proof = append(proof, hashOf(line))
			}
		}
		check(tlog.CheckRecord(proof, at.N, at.Hash, n, tlog.RecordHash(leaves[n])))
		receipts++
	}

	steps := 0
	for old := int64(1); old < tree.N; old += 23 {
		var answer struct {
			Data struct{ Hashes []string }
		}
		url := fmt.Sprintf("%s/api/v1/consistency?from=%d&to=%d", ledger, old, tree.N)
		check(json.Unmarshal(get(url), &answer))
		var proof tlog.TreeProof
		for _, line := range answer.Data.Hashes {
			data, err := hex.DecodeString(line)
			check(err)
			proof = append(proof, tlog.Hash(data))
		}
		before, err := tlog.TreeHash(old, reader)
		check(err)
		check(tlog.CheckTree(proof, tree.N, tree.Hash, old, before))
		steps++
	}
	say(map[string]any{
		"size": tree.N, "lines": len(opened.Sigs), "unknown": len(opened.UnverifiedSigs),
		"entries": len(leaves), "receipts": receipts, "consistency": steps,
	})
}

func say(found map[string]any) {
	check(json.NewEncoder(os.Stdout).Encode(found))
}

// own is a log that Go's packages make.
type own struct {
	signer note.Signer
	vkey   string
	leaves [][]byte
	hashes []tlog.Hash
}

func (o *own) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, at := range indexes {
		found = append(found, o.hashes[at])
	}
	return found, nil
}

func grow(size int) *own {
	skey, vkey, err := note.GenerateKey(rand.Reader, "go.example/log")
	check(err)
	signer, err := note.NewSigner(skey)
	check(err)
	made := &own{signer: signer, vkey: vkey}
	for n := range size {
		leaf := []byte(fmt.Sprintf("entry %d of Go's", n))
		more, err := tlog.StoredHashes(int64(n), leaf, made)
		check(err)
		made.leaves, made.hashes = append(made.leaves, leaf), append(made.hashes, more...)
	}
	return made
}

func (o *own) checkpoint(size int64) []byte {
	root, err := tlog.TreeHash(size, o)
	check(err)
	text := fmt.Sprintf("go.example/log\n%d\n%s\n", size, root)
	signed, err := note.Sign(&note.Note{Text: text}, o.signer)
	check(err)
	return signed
}

func serve() {
	made := grow(600)
	size := int64(len(made.leaves))
	files := map[string][]byte{"/log/checkpoint": made.checkpoint(size)}
	for _, tile := range tlog.NewTiles(8, 0, size) {
		data, err := tlog.ReadTileData(tile, made)
		check(err)
		files["/log"+path(strconv.Itoa(tile.L), tile.N, tile.W)] = data
	}
	for n := int64(0); n*256 < size; n++ {
		width := min(256, size-n*256)
		var data []byte
		for _, leaf := range made.leaves[n*256 : n*256+width] {
			data = append(binary.BigEndian.AppendUint16(data, uint16(len(leaf))), leaf...)
		}
		files["/log"+path("entries", n, int(width))] = data
	}
	for n := int64(0); n < size; n += 37 {
		proof, err := tlog.ProveRecord(size, n, made)
		check(err)
		files[fmt.Sprintf("/record/%d", n)] = lines(proof)
	}
	for old := int64(1); old < size; old += 23 {
		proof, err := tlog.ProveTree(size, old, made)
		check(err)
		files[fmt.Sprintf("/tree/%d", old)] = lines(proof)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Printf("http://%s %s\n", listener.Addr(), made.vkey)
	check(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, found := files[r.URL.Path]
		if !found {
			http.NotFound(w, r)
			return
		}
		w.Write(data)
	})))
}

func lines[P ~[]tlog.Hash](proof P) []byte {
	var text []byte
	for _, hash := range proof {
		text = append(text, hash.String()+"\n"...)
	}
	return text
}

// cosigner verifies tlog-cosignature's Ed25519 lines: a note.Verifier, as the package lets one be.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 72 {
		return false
	}
	time := binary.BigEndian.Uint64(signature)
	message := append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", time)), text...)
	return ed25519.Verify(c.key, message, signature[8:])
}

func readCosigner(vkey string) cosigner {
	parts := strings.SplitN(vkey, "+", 3)
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	check(err)
	data, err := base64.StdEncoding.DecodeString(parts[2])
	check(err)
	demand(len(data) == 33 && data[0] == 4, "not a cosigner's key")
	return cosigner{parts[0], uint32(hash), data[1:]}
}

// ask reads one line, "go", after it has said its key: so that the witness can follow it first.
func ask(witness, witnessKey string) {
	made := grow(600)
	fmt.Println(made.vkey)
	var line string
	fmt.Scanln(&line)
	verifier, err := note.NewVerifier(made.vkey)
	check(err)
	known := note.VerifierList(verifier, readCosigner(witnessKey))
	old, cosigned := int64(0), 0
	for _, size := range []int64{100, 256, 600} {
		var body bytes.Buffer
		fmt.Fprintf(&body, "old %d\n", old)
		if old > 0 {
			proof, err := tlog.ProveTree(size, old, made)
			check(err)
			body.Write(lines(proof))
		}
		signed := made.checkpoint(size)
		body.WriteByte('\n')
		body.Write(signed)
		answer, err := http.Post(witness+"/add-checkpoint", "text/plain", &body)
		check(err)
		said, err := io.ReadAll(answer.Body)
		check(err)
		answer.Body.Close()
		demand(answer.StatusCode == 200, string(said))
		_, tree, opened := checkpoint(append(signed, said...), known)
		demand(len(opened.Sigs) == 2 && tree.N == size, "the cosignature does not open")
		old = size
		cosigned++
	}
	say(map[string]any{"cosigned": cosigned})
}
