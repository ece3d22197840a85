# Writes OUT, a .cc in which FUNCTION of NAMESPACE, declared in HEADER, returns the text of FILE. In pieces, because
# compilers bound the length of one literal.
file(READ ${FILE} text)
string(LENGTH "${text}" length)
set(pieces "")
set(at 0)
while(at LESS length)
  string(SUBSTRING "${text}" ${at} 8000 piece)
  string(APPEND pieces "R\"TEXT__(${piece})TEXT__\"\n")
  math(EXPR at "${at} + 8000")
endwhile()
file(WRITE ${OUT} "#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\nstd::string_view ${FUNCTION}() { return ${pieces}; }\n}  // namespace ${NAMESPACE}\n")
