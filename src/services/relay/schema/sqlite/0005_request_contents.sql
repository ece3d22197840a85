-- What the CreateTarget that made a target asked for, and the RotateSecret that made its secret, each in one text that is the
-- same for the same request (target.h): the key with another one is refused, and what was changed since does not matter.
-- Empty: a program from before this file made it. Such a one also leaves the text of a rotation before its own, which names
-- its own key, so that it is known to be another's.
ALTER TABLE target ADD COLUMN creation_content TEXT NOT NULL DEFAULT '';
ALTER TABLE target ADD COLUMN rotation_content TEXT NOT NULL DEFAULT '';
