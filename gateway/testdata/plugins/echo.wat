;; A plugin that writes its configuration as the message. Of a configuration that is a string it writes what is between the
;; quotes, as it stands there.
(module
  (import "sidegate" "input_read" (func $input_read (param i32 i32 i32 i32) (result i32)))
  (import "sidegate" "output_write" (func $output_write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 16)
  (func (export "sidegate_abi_v1"))
  (func (export "on_request") (result i32) (local $n i32)
    (local.set $n (call $input_read (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 1048576)))
    (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 34))
      (then (drop (call $output_write (i32.const 0) (i32.const 1) (i32.sub (local.get $n) (i32.const 2)))))
      (else (drop (call $output_write (i32.const 0) (i32.const 0) (local.get $n)))))
    (i32.const 0)))
