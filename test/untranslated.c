/* In front of the C library's translations of messages, see sanitized_server in long.sh. */
char *bindtextdomain(const char *domain, const char *folder) { return (char *)folder; }
char *textdomain(const char *domain) { return (char *)domain; }
char *gettext(const char *text) { return (char *)text; }
char *dgettext(const char *domain, const char *text) { return (char *)text; }
char *dcgettext(const char *domain, const char *text, int category) { return (char *)text; }
char *ngettext(const char *one, const char *many, unsigned long n) { return (char *)(n == 1 ? one : many); }
char *dngettext(const char *domain, const char *one, const char *many, unsigned long n) { return (char *)(n == 1 ? one : many); }
