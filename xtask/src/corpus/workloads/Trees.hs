-- Persistent maps, lazy lists and thunks on a Haskell heap.
import Control.Concurrent (threadDelay)
import Control.Exception (evaluate)
import qualified Data.Map as Map
import qualified Data.Set as Set
import System.IO (hFlush, stdout)

data Shape = Circle Double | Box Int Int | Group String [Shape] deriving (Show, Eq, Ord)

shape :: Int -> Shape
shape n
  | n `mod` 3 == 0 = Circle (fromIntegral n / 7)
  | n `mod` 3 == 1 = Box n (n * n `mod` 1009)
  | otherwise = Group ("group " ++ show (n `mod` 97)) (map shape [n `div` 2, n `div` 3])

main :: IO ()
main = do
  let shapes = Map.fromList [(n * 7919 `mod` 100003, shape n) | n <- [1 .. 30000 :: Int]]
      names = Set.fromList (map show (Map.elems shapes))
      versions = scanl (\m n -> Map.insertWith (+) (n `mod` 500) n m) Map.empty [1 .. 3000 :: Int]
  _ <- evaluate (sum (map length (Set.toList names)))
  _ <- evaluate (sum (map (Map.foldl' (+) 0) versions))
  putStrLn "corpus: ready"
  hFlush stdout
  threadDelay 3600000000
  print (Map.size shapes, Set.size names, length versions)
