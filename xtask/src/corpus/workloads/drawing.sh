# A drawing of many shapes.
awk 'BEGIN {
  print "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"700\">"
  for (n = 0; n < 1500; n++)
    printf "<g id=\"g%d\" transform=\"rotate(%d)\"><path d=\"M%d %d C 20 %d 40 60 %d %d Z\" fill=\"#%06x\" opacity=\"0.%d\"/><text x=\"%d\" y=\"%d\">shape %d</text></g>\n",
      n, n % 360, n % 900, n % 700, n % 77, n % 300, n % 91, n * 7919 % 16777216, n % 9 + 1, n % 900, n % 650, n
  print "</svg>" }' > drawing.svg
Xvfb :89 -screen 0 1280x1024x24 -nolisten tcp &
sleep 2
DISPLAY=:89 exec inkscape drawing.svg
