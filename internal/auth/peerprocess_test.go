package auth

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPeerGone: a peer is gone when its process has ended and been waited for, and not before, also where only its number could be asked by.
func TestPeerGone(t *testing.T) {
	t.Parallel()
	socket := publicDir(t) + "/s"
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	peers := ListenPeers(l)
	t.Cleanup(func() { peers.Close() })
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), callerEnv+"="+socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c, err := peers.Accept()
	if err != nil {
		t.Fatal(err)
	}
	peer := Peer(c.RemoteAddr().(peerAddr))
	fd, err := unix.PidfdOpen(peer.PID, 0) // as kernels before 6.5 are asked
	if err != nil {
		t.Fatal(err)
	}
	byNumber := Peer{process: &peerProcess{os.NewFile(uintptr(fd), "pidfd")}}
	defer byNumber.process.close()
	if peer.PID != cmd.Process.Pid || peer.Gone() || byNumber.Gone() {
		t.Errorf("while it lives: %+v, gone %v and %v", peer, peer.Gone(), byNumber.Gone())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if !peer.Gone() || !byNumber.Gone() {
		t.Errorf("when it has ended: gone %v and %v", peer.Gone(), byNumber.Gone())
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := peer.process.pidfd.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the descriptor stays open: %v", err)
	}
	if (Peer{}).Gone() {
		t.Error("nothing is known, and it is gone")
	}
}

// TestPeerGoneBeforeAccept: a process that connected and ended before it was accepted is known to be gone, whoever has its number now.
func TestPeerGoneBeforeAccept(t *testing.T) {
	t.Parallel()
	socket := publicDir(t) + "/s"
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	peers := ListenPeers(l)
	t.Cleanup(func() { peers.Close() })
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	far := os.NewFile(uintptr(pair[1]), "far")
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), callerEnv+"="+socket, handOverEnv+"=1"), []*os.File{far}
	if err := errors.Join(cmd.Run(), far.Close()); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0]) // which keeps the connection
	c, err := peers.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if peer := Peer(c.RemoteAddr().(peerAddr)); peer.PID != cmd.Process.Pid || !peer.Gone() {
		t.Errorf("%+v is gone: %v", peer, peer.Gone())
	}
}
