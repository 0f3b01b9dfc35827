"""The rules: what each says, which resources it looks at, and what is wrong with one."""
