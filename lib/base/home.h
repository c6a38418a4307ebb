/* The user's home directory. */
#ifndef DUCC_HOME_H
#define DUCC_HOME_H

/*
 * $HOME or, if it is not set, as for services, the home directory in the passwd database;
 * NULL if there is none.  The caller frees it.
 */
char *home_directory(void);

#endif
