(* Variants, records, maps, hash tables and float arrays on an OCaml heap. *)
type expr = Num of float | Var of string | Add of expr * expr | Mul of expr * expr | Call of string * expr list
type entry = { id : int; title : string; price : float; mutable related : entry list }
module Names = Map.Make (String)

let rec expr depth n =
  if depth = 0 then (if n mod 2 = 0 then Num (float n) else Var ("x" ^ string_of_int (n mod 50)))
  else match n mod 3 with
    | 0 -> Add (expr (depth - 1) (n * 3 + 1), expr (depth - 1) (n + 7))
    | 1 -> Mul (expr (depth - 1) (n * 5 + 2), expr (depth - 1) (n + 1))
    | _ -> Call ("f" ^ string_of_int (n mod 9), List.init 3 (fun i -> expr (depth - 1) (n + i)))

let () =
  Random.init 11;
  let entries = Array.init 30000 (fun id -> { id; title = Printf.sprintf "title %d" (Random.int 9999); price = Random.float 100.; related = [] }) in
  Array.iter (fun e -> e.related <- List.init (Random.int 4) (fun _ -> entries.(Random.int 30000))) entries;
  let names = Array.fold_left (fun map e -> Names.add e.title e map) Names.empty entries in
  let table = Hashtbl.create 1000 in
  Array.iter (fun e -> Hashtbl.add table (e.id mod 4001) (e.title, e.price)) entries;
  let programs = List.init 60 (fun n -> expr 9 n) in
  let series = Array.init 100000 (fun n -> sin (float n /. 100.)) in
  print_endline "corpus: ready";
  Unix.sleep 3600;
  print_int (Names.cardinal names + Hashtbl.length table + List.length programs + Array.length series)
