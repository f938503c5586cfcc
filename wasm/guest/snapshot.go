package guest

import (
	"errors"

	"github.com/tetratelabs/wazero/api"
)

// snapshot keeps what memory and globals of an initialized instance hold, as the state in which
// every call begins.
func (p *Pool) snapshot(in *instance) error {
	memory := in.memory.space[:in.memory.size]
	image, err := newImage(memory)
	if err != nil {
		return err
	}
	if err := image.install(in.memory); err != nil {
		image.close()
		return err
	}
	p.image = image
	p.globals = make([]uint64, len(in.globals))
	for i, g := range in.globals {
		p.globals[i] = g.Get()
	}
	return nil
}

// restore sets an instance back to the snapshot, and reports whether that was possible.
func (p *Pool) restore(in *instance) bool {
	if p.image.reset(in.memory) != nil {
		return false
	}
	setGlobals(in.globals, p.globals)
	return true
}

// adopt gives a new instance the state of the snapshot in place of initializing it.
func (p *Pool) adopt(in *instance) error {
	if more := int64(len(p.image.data)) - int64(in.memory.size); more > 0 {
		if _, ok := in.module.Memory().Grow(uint32(more / pageSize)); !ok {
			return errMemory
		}
	}
	if in.memory.size != uint64(len(p.image.data)) {
		return errors.New("memory of a new instance is larger than the snapshot")
	}
	if err := p.image.install(in.memory); err != nil {
		return err
	}
	setGlobals(in.globals, p.globals)
	return nil
}

func setGlobals(globals []api.MutableGlobal, values []uint64) {
	for i, g := range globals {
		g.Set(values[i])
	}
}
