% Matrices of doubles, sparse ones, cells, structures and strings.
rand ("seed", 9); randn ("seed", 9);
A = randn (300); B = A' * A; [Q, R] = qr (A); x = linspace (0, 20, 100000); y = sin (x) ./ (1 + x);
S = sprand (2000, 2000, 0.01); Z = fft (y); I = uint8 (255 * rand (400)); P = primes (500000);
c = cell (1, 5000); for k = 1:5000, c{k} = sprintf ("cell %d", k); end
s = struct (); for k = 1:2000, s.(sprintf ("field%d", k)) = [k, k / 3]; end
H = hilb (200); M = magic (400); L = cumsum (randn (50000, 1) > 0);
disp ("corpus: ready"); fflush (stdout);
pause (3600);
