;; A plugin that does in every phase what its configuration says: a JSON string of statements with a semicolon between
;; them, each one letter and what belongs to it. No statement may hold an escape, and ' stands for " in values.
;;
;;   !TEXT         refuse this configuration
;;   dNNNTEXT      deny with the code NNN and the reason TEXT
;;   aTEXT         answer with TEXT on standard output
;;   =PATH=VALUE   set a field of the message to a JSON value
;;   -PATH         remove a field
;;   wTEXT         write TEXT as the message
;;   oTEXT, eTEXT  write TEXT to standard output, to standard error
;;   pXY           replace the byte X by Y in both outputs
;;   fTEXT         fetch what TEXT asks for; deny with 503 if nothing is fetched
;;   sNNNN         sleep for so many milliseconds
;;   lN TEXT       log TEXT at level N
;;   vN            return the number N
;;   t u           trap, pass a pointer that is none
;;   L R X M B G   loop, recurse without end, recurse twice at each of many levels, ask for memory without end, write
;;                 output without end, log without end
(module
  (import "sidegate" "input_read" (func $input_read (param i32 i32 i32 i32) (result i32)))
  (import "sidegate" "output_write" (func $output_write (param i32 i32 i32) (result i32)))
  (import "sidegate" "field_set" (func $field_set (param i32 i32 i32 i32) (result i32)))
  (import "sidegate" "fail" (func $fail (param i32 i32 i32)))
  (import "sidegate" "log" (func $log (param i32 i32 i32)))
  (import "sidegate" "http_fetch" (func $http_fetch (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))

  ;; The configuration stands at 0, a value at 8192, what WASI needs at 12288, answers and output at 65536.
  (memory (export "memory") 3)
  (func (export "sidegate_abi_v1"))
  (func (export "sidegate_init") (result i32)
    (if (i32.and (i32.gt_s (call $config) (i32.const 2)) (i32.eq (i32.load8_u (i32.const 1)) (i32.const 33))) ;; !
      (then
        (call $fail (i32.const 403) (i32.const 2) (i32.sub (call $config) (i32.const 3)))
        (return (i32.const 1))))
    (i32.const 0))
  (func (export "on_request") (result i32) (call $play))
  (func (export "on_response") (result i32) (call $play))
  (func (export "on_callback") (result i32) (call $play))

  (func $config (result i32) (call $input_read (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 8192)))

  (func $play (result i32) (local $at i32) (local $end i32) (local $verdict i32)
    (local.set $end (i32.sub (call $config) (i32.const 1))) ;; before the closing quote
    (if (i32.ne (i32.load8_u (i32.const 0)) (i32.const 34)) (then (return (i32.const 0)))) ;; null
    (local.set $at (i32.const 1))
    (block $done
      (loop $statements
        (br_if $done (i32.ge_s (local.get $at) (local.get $end)))
        (local.set $verdict (call $do (local.get $at) (call $find (local.get $at) (local.get $end) (i32.const 59)))) ;; ;
        (if (local.get $verdict) (then (return (local.get $verdict))))
        (local.set $at (i32.add (call $find (local.get $at) (local.get $end) (i32.const 59)) (i32.const 1)))
        (br $statements)))
    (i32.const 0))

  ;; find returns where a byte stands, or the end.
  (func $find (param $at i32) (param $end i32) (param $byte i32) (result i32)
    (block $done
      (loop $bytes
        (br_if $done (i32.ge_s (local.get $at) (local.get $end)))
        (br_if $done (i32.eq (i32.load8_u (local.get $at)) (local.get $byte)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $bytes)))
    (local.get $at))

  (func $number (param $at i32) (param $digits i32) (result i32) (local $n i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $digits)))
        (local.set $n (i32.add (i32.mul (local.get $n) (i32.const 10)) (i32.sub (i32.load8_u (local.get $at)) (i32.const 48))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $digits (i32.sub (local.get $digits) (i32.const 1)))
        (br $more)))
    (local.get $n))

  ;; value copies a text to 8192 with " for ' and returns its length.
  (func $value (param $at i32) (param $end i32) (result i32) (local $n i32) (local $byte i32)
    (block $done
      (loop $bytes
        (br_if $done (i32.ge_s (i32.add (local.get $at) (local.get $n)) (local.get $end)))
        (local.set $byte (i32.load8_u (i32.add (local.get $at) (local.get $n))))
        (if (i32.eq (local.get $byte) (i32.const 39)) (then (local.set $byte (i32.const 34))))
        (i32.store8 offset=8192 (local.get $n) (local.get $byte))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br $bytes)))
    (local.get $n))

  ;; must traps unless an import answered 0.
  (func $must (param $errno i32) (if (local.get $errno) (then unreachable)))

  ;; do does one statement and returns a verdict.
  (func $do (param $at i32) (param $end i32) (result i32) (local $op i32) (local $text i32) (local $n i32)
    (local.set $op (i32.load8_u (local.get $at)))
    (local.set $text (i32.add (local.get $at) (i32.const 1)))
    (local.set $n (i32.sub (local.get $end) (local.get $text)))
    (if (i32.eq (local.get $op) (i32.const 100)) ;; d
      (then
        (call $fail (call $number (local.get $text) (i32.const 3)) (i32.add (local.get $text) (i32.const 3)) (i32.sub (local.get $n) (i32.const 3)))
        (return (i32.const 1))))
    (if (i32.eq (local.get $op) (i32.const 97)) ;; a
      (then
        (call $must (call $output_write (i32.const 3) (local.get $text) (local.get $n)))
        (return (i32.const 2))))
    (if (i32.eq (local.get $op) (i32.const 61)) (then (call $set (local.get $text) (local.get $end)))) ;; =
    (if (i32.eq (local.get $op) (i32.const 45)) ;; -
      (then (call $must (call $field_set (local.get $text) (local.get $n) (i32.const 0) (i32.const 0)))))
    (if (i32.eq (local.get $op) (i32.const 119)) ;; w
      (then (call $must (call $output_write (i32.const 0) (i32.const 8192) (call $value (local.get $text) (local.get $end))))))
    (if (i32.eq (local.get $op) (i32.const 111)) ;; o
      (then (call $must (call $output_write (i32.const 3) (local.get $text) (local.get $n)))))
    (if (i32.eq (local.get $op) (i32.const 101)) ;; e
      (then (call $must (call $output_write (i32.const 4) (local.get $text) (local.get $n)))))
    (if (i32.eq (local.get $op) (i32.const 112)) ;; p
      (then
        (call $replace (i32.const 3) (i32.load8_u (local.get $text)) (i32.load8_u offset=1 (local.get $text)))
        (call $replace (i32.const 4) (i32.load8_u (local.get $text)) (i32.load8_u offset=1 (local.get $text)))))
    (if (i32.eq (local.get $op) (i32.const 102)) ;; f
      (then (if (i32.lt_s (call $http_fetch (i32.const 8192) (call $value (local.get $text) (local.get $end)) (i32.const 65536) (i32.const 65536)) (i32.const 0))
        (then
          (call $fail (i32.const 503) (local.get $text) (i32.const 0))
          (return (i32.const 1))))))
    (if (i32.eq (local.get $op) (i32.const 115)) (then (call $sleep (call $number (local.get $text) (i32.const 4))))) ;; s
    (if (i32.eq (local.get $op) (i32.const 108)) ;; l
      (then (call $log (call $number (local.get $text) (i32.const 1)) (i32.add (local.get $text) (i32.const 2)) (i32.sub (local.get $n) (i32.const 2)))))
    (if (i32.eq (local.get $op) (i32.const 118)) (then (return (call $number (local.get $text) (i32.const 1))))) ;; v
    (if (i32.eq (local.get $op) (i32.const 116)) (then unreachable)) ;; t
    (if (i32.eq (local.get $op) (i32.const 117)) ;; u
      (then (drop (call $input_read (i32.const 0) (i32.const -8) (i32.const 0) (i32.const 16)))))
    (if (i32.eq (local.get $op) (i32.const 76)) (then (loop $ever (br $ever)))) ;; L
    (if (i32.eq (local.get $op) (i32.const 82)) (then (call $deeper))) ;; R
    (if (i32.eq (local.get $op) (i32.const 88)) (then (drop (call $twice (i32.const 100))))) ;; X
    (if (i32.eq (local.get $op) (i32.const 77)) ;; M
      (then (loop $ever
        (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
        (memory.fill (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1048576)) (i32.const 1) (i32.const 1048576))
        (br $ever))))
    (if (i32.eq (local.get $op) (i32.const 66)) (then (loop $ever (call $must (call $output_write (i32.const 0) (i32.const 0) (i32.const 65536))) (br $ever)))) ;; B
    (if (i32.eq (local.get $op) (i32.const 71)) (then (loop $ever (call $log (i32.const 1) (i32.const 0) (i32.const 64)) (br $ever)))) ;; G
    (i32.const 0))

  (func $set (param $path i32) (param $end i32) (local $eq i32)
    (local.set $eq (call $find (local.get $path) (local.get $end) (i32.const 61)))
    (call $must (call $field_set
      (local.get $path) (i32.sub (local.get $eq) (local.get $path))
      (i32.const 8192) (call $value (i32.add (local.get $eq) (i32.const 1)) (local.get $end)))))

  (func $replace (param $kind i32) (param $from i32) (param $to i32) (local $off i32) (local $n i32) (local $i i32)
    (loop $pieces
      (local.set $n (call $input_read (local.get $kind) (i32.const 65536) (local.get $off) (i32.const 65536)))
      (local.set $i (i32.const 0))
      (block $done
        (loop $bytes
          (br_if $done (i32.ge_s (local.get $i) (local.get $n)))
          (if (i32.eq (i32.load8_u offset=65536 (local.get $i)) (local.get $from))
            (then (i32.store8 offset=65536 (local.get $i) (local.get $to))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $bytes)))
      (call $must (call $output_write (local.get $kind) (i32.const 65536) (local.get $n)))
      (local.set $off (i32.add (local.get $off) (local.get $n)))
      (br_if $pieces (local.get $n))))

  ;; sleep waits for a relative time on the monotonic clock.
  (func $sleep (param $ms i32)
    (i64.store (i32.const 12288) (i64.const 0))
    (i64.store (i32.const 12296) (i64.const 0))
    (i64.store (i32.const 12304) (i64.const 1))
    (i64.store (i32.const 12312) (i64.mul (i64.extend_i32_u (local.get $ms)) (i64.const 1000000)))
    (i64.store (i32.const 12320) (i64.const 0))
    (i64.store (i32.const 12328) (i64.const 0))
    (call $must (call $poll_oneoff (i32.const 12288) (i32.const 12352) (i32.const 1) (i32.const 12416))))

  (func $deeper (call $deeper) (call $deeper))
  (func $twice (param $levels i32) (result i32)
    (if (i32.eqz (local.get $levels)) (then (return (i32.const 0))))
    (i32.add (call $twice (i32.sub (local.get $levels) (i32.const 1))) (call $twice (i32.sub (local.get $levels) (i32.const 1))))))
